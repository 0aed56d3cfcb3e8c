// SPDX-License-Identifier: MIT
#include "batch.h"

#include "number.h"
#include "text.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Longer than any line that can be read: a protocol, two IPv6 addresses and two
 * ports are under 120 bytes.
 */
#define LINE_MAX_BYTES 256
#define WORDS 5 /* the last may be missing */

#define INPUT_BYTES (1 << 20)
#define OUTPUT_BYTES (1 << 18)

/*
 * The identity table is larger than the processor's caches, so a question waits in a queue
 * while the memory that it needs is fetched. When a line is read, the head of its bucket is
 * prefetched; FETCH questions later its record is; another FETCH later it is answered.
 */
#define FETCH 8
#define QUEUE 16 /* twice FETCH; a power of 2 */

/*
 * Room for all that PART_PROCESS can print: three texts, of which each byte may become six
 * characters, and some names and numbers.
 */
#define FRAGMENT_BYTES (3 * 6 * PROCESS_TEXT_BYTES + 1024)

/* Room for the other parts of an answer, and for what put() copies beyond their end. */
#define REST_BYTES 1024

/* How many bytes put() copies at once. */
#define STEP 32

#define CACHED_PROCESSES 256 /* a power of 2 */

/* PART_PROCESS as it was printed for one identity, kept to be printed again. */
struct fragment {
	struct conn_identity of;
	uint64_t piece; /* number of the piece of input that it was made for; 0: empty */
	size_t len;	/* of bytes[] */
	size_t pid_len;
	char pid[STEP]; /* the PID in digits */
	char bytes[FRAGMENT_BYTES + STEP];
};

struct question {
	struct conn conn;
	struct conn_source source;
	struct identity_query query;
	/*
	 * The words of the line, where they are spelled as they are printed; otherwise dst is
	 * NULL.
	 */
	const char *dst, *src_port, *dst_port;
	uint8_t dst_len, src_port_len, dst_port_len;
	const char *bad; /* with an error: the name of the word that is wrong, or NULL */
	conn_error error;
};

/* It is too large for the stack, and begins as zeroes. Pages that stay untouched cost nothing. */
struct batch {
	struct lookup lookup;
	bool want_cmdline;
	uint64_t piece; /* how many pieces of input have been read */
	uint64_t now;	/* boot_time() when the last one was read */
	/*
	 * Question number N is in slot N % QUEUE. The counts say how many have been read, how
	 * many records have been prefetched, and how many questions have been answered.
	 */
	struct question questions[QUEUE];
	unsigned asked, fetched, answered;
	struct process process;
	struct fragment fragments[CACHED_PROCESSES];
	char input[INPUT_BYTES + STEP];
	char output[OUTPUT_BYTES];
};

/* --- questions ------------------------------------------------------------- */

/*
 * Read a number of at most DIGITS digits, without a zero in front, that END follows. Returns
 * what comes behind END, or NULL when S is not of that form. *LENGTH counts the digits.
 */
static inline const char *read_number(const char *s, unsigned digits, char end, unsigned *n,
				      uint8_t *length)
{
	const char *start = s;

	for (*n = 0; (unsigned)*s - '0' <= 9 && s < start + digits; s++)
		*n = *n * 10 + (unsigned)*s - '0';
	*length = (uint8_t)(s - start);
	return s > start && *s == end && (*start != '0' || s == start + 1) ? s + 1 : NULL;
}

/*
 * Read a line of the form that nearly all have: "tcp A.B.C.D PORT PORT" with single spaces,
 * the numbers spelled as they are printed. Returns where the next line begins, or NULL for
 * any other line, right or wrong, which parse_line() then reads. It reads no byte after a
 * NUL.
 *
 * A batch of IPv4 questions takes 1,260 instructions a question with this function, and 2,220
 * with parse_line() alone, in time 100 and 122 (callgrind, wall clock; the questions of
 * test/bench/bench.sh): it does in one pass what that does in five, and its words are copied
 * into the answer, where numbers would have to be put into digits again.
 */
static const char *parse_plain_line(struct question *question, const char *line)
{
	bool is_udp = line[0] == 'u';
	unsigned byte[4], src_port, dst_port;
	const char *s = line + 4;
	uint8_t length;

	if (memcmp(line, is_udp ? "udp " : "tcp ", 4) != 0)
		return NULL;
	for (int i = 0; i < 4; i++) {
		s = read_number(s, 3, i < 3 ? '.' : ' ', &byte[i], &length);
		if (!s || byte[i] > 255)
			return NULL;
	}
	question->dst = line + 4;
	question->dst_len = (uint8_t)(s - 1 - question->dst);
	question->src_port = s;
	s = read_number(s, 5, ' ', &src_port, &question->src_port_len);
	if (!s || !src_port || src_port > 65535)
		return NULL;
	question->dst_port = s;
	s = read_number(s, 5, '\n', &dst_port, &question->dst_port_len);
	if (!s || !dst_port || dst_port > 65535)
		return NULL;
	question->error = NULL;
	question->source.is_asked = false;
	question->conn = (struct conn) {
		.dst = address_from_v4(
			htonl(byte[0] << 24 | byte[1] << 16 | byte[2] << 8 | byte[3])),
		.src_port = (uint16_t)src_port,
		.dst_port = (uint16_t)dst_port,
		.protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP,
	};
	return s;
}

/*
 * Cut LINE into words at spaces, tabs and carriage returns. Returns the number of words, or
 * WORDS + 1 when there are more than WORDS.
 */
static int split(char *line, char *words[WORDS])
{
	char *p = line;
	int n = 0;

	words[WORDS - 1] = NULL;
	for (;;) {
		while (*p == ' ' || *p == '\t' || *p == '\r')
			p++;
		if (!*p)
			return n;
		if (n == WORDS)
			return WORDS + 1;
		words[n] = p;
		while (*p && *p != ' ' && *p != '\t' && *p != '\r')
			p++;
		n++;
		if (*p)
			*p++ = '\0';
	}
}

static conn_error parse_words(struct question *question, char *words[WORDS])
{
	struct conn *conn = &question->conn;
	conn_error error;

	question->bad = "PROTOCOL";
	error = conn_parse_protocol(words[0], &conn->protocol);
	if (error)
		return error;
	question->bad = "DST";
	error = conn_parse_address(words[1], &conn->dst);
	if (error)
		return error;
	question->bad = "SRC_PORT";
	error = conn_parse_port(words[2], &conn->src_port);
	if (error)
		return error;
	question->bad = "DST_PORT";
	error = conn_parse_port(words[3], &conn->dst_port);
	if (error)
		return error;
	question->bad = "SRC";
	return words[4] ? conn_parse_source(words[4], &question->source) : NULL;
}

/* Read any line, of LEN bytes followed by a NUL. */
static void parse_line(struct question *question, char *line, size_t len)
{
	char *words[WORDS];
	int count;

	question->bad = NULL;
	question->error = NULL;
	question->dst = NULL;
	question->source.is_asked = false;
	if (len > LINE_MAX_BYTES) {
		question->error = "the line is too long";
		return;
	}
	if (memchr(line, '\0', len)) {
		question->error = "the line has a NUL byte";
		return;
	}
	count = split(line, words);
	if (count != WORDS && count != WORDS - 1) {
		question->error = "a line is PROTOCOL DST SRC_PORT DST_PORT [SRC]";
		return;
	}
	question->error = parse_words(question, words);
}

/* --- answers --------------------------------------------------------------- */

static void print_error(const char *word, const char *error)
{
	out_str("{\"error\":\"");
	if (word) {
		out_str(word);
		out_str(" ");
	}
	out_str(error);
	out_str("\"");
}

#define PUT(p, literal) ((char *)memcpy(p, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/*
 * Copy in steps of STEP bytes, of which the last may go beyond the end: there is room for
 * it. musl's memcpy() takes longer for texts that are so short.
 */
static char *put(char *p, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += STEP)
		memcpy(p + i, bytes + i, STEP);
	return p + len;
}

static struct fragment *fragment_of(struct batch *batch, conn_pid pid)
{
	return &batch->fragments[pid & (CACHED_PROCESSES - 1)];
}

/* Whether the fragment was made for this piece of input and would be the same for IDENTITY. */
static inline bool is_kept(const struct batch *batch, const struct fragment *fragment,
			   const struct conn_identity *identity)
{
	const struct conn_identity *of = &fragment->of;
	uint64_t a[2], b[2];

	memcpy(a, of->comm, sizeof(a));
	memcpy(b, identity->comm, sizeof(b));
	return fragment->piece == batch->piece && of->pid == identity->pid &&
	       of->start_time == identity->start_time && of->tid == identity->tid &&
	       of->uid == identity->uid && of->gid == identity->gid &&
	       of->netns == identity->netns && of->netns_cookie == identity->netns_cookie &&
	       of->cgroup_id == identity->cgroup_id && of->exe_inode == identity->exe_inode &&
	       of->exe_device == identity->exe_device && of->exec_id == identity->exec_id &&
	       a[0] == b[0] && a[1] == b[1];
}

static char *put_source(char *p, const struct conn_identity *identity)
{
	struct address source = address_from_v6(identity->src_ip);

	if (!identity_has_source(identity))
		return PUT(p, ",\"src_ip\":null");
	p = PUT(p, ",\"src_ip\":\"");
	p = put_address(p, &source);
	*p++ = '"';
	return p;
}

#define NOTHING_ENDED                                                                           \
	"\"ended\":null,\"duration_seconds\":null,\"sent_bytes\":null,\"received_bytes\":null," \
	"\"retransmitted_segments\":null,\"rtt_seconds\":null,\"age_seconds\":"

/* PART_RECORD of what most questions are about: opened here, and open, or a datagram. */
static char *put_opened(char *p, const struct batch *batch, const struct conn_identity *identity)
{
	p = put_source(p, identity);
	p = PUT(p, ",\"direction\":\"out\",\"owner\":\"opener\",\"state\":");
	p = identity->protocol == IPPROTO_TCP ? PUT(p, "\"open\"," NOTHING_ENDED)
					      : PUT(p, "null," NOTHING_ENDED);
	return put_u64(p, identity_age(identity, batch->now));
}

static bool is_just_opened(const struct conn_identity *identity)
{
	return !(identity->kind & ~IDENTITY_WATCHED) &&
	       (identity->protocol != IPPROTO_TCP || identity_is_open(identity));
}

/*
 * Print what answer_print_json() prints, byte for byte, for the question whose process is in
 * FRAGMENT. Printing it by the table of fields would double the time of a batch.
 */
static void print_known(const struct batch *batch, const struct question *question,
			const struct conn_identity *identity, const struct fragment *fragment)
{
	char *p = out_reserve(REST_BYTES + fragment->len);
	struct answer answer;

	p = PUT(p, "{\"pid\":");
	p = put(p, fragment->pid, fragment->pid_len);
	p = question->conn.protocol == IPPROTO_UDP ? PUT(p, ",\"protocol\":\"udp\",\"dst_ip\":\"")
						   : PUT(p, ",\"protocol\":\"tcp\",\"dst_ip\":\"");
	p = put(p, question->dst, question->dst_len);
	p = PUT(p, "\",\"src_port\":");
	p = put(p, question->src_port, question->src_port_len);
	p = PUT(p, ",\"dst_port\":");
	p = put(p, question->dst_port, question->dst_port_len);
	p = put(p, fragment->bytes, fragment->len);
	if (is_just_opened(identity)) {
		p = put_opened(p, batch, identity);
		p = PUT(p, "}\n");
		out_commit(p);
		return;
	}
	out_commit(p);
	answer_of_record(&answer, identity);
	answer_print_json_part(&(struct facts) { .answer = &answer, .now = batch->now },
			       PART_RECORD);
	out_str("}\n");
}

/*
 * Answer a question of the usual kind: the table is mapped, one record has the key, and its
 * process is in a fragment. False for all others, which answer_question() answers.
 */
static bool answer_at_once(struct batch *batch, const struct question *question)
{
	const struct fragment *fragment;
	struct conn_identity identity;

	if (!question->dst ||
	    !identity_find_only(&batch->lookup.identities, &question->query, &identity) ||
	    !lookup_takes(&batch->lookup, &question->query, &identity))
		return false;
	fragment = fragment_of(batch, identity.pid);
	if (!is_kept(batch, fragment, &identity))
		return false;
	print_known(batch, question, &identity, fragment);
	return true;
}

static void keep(struct batch *batch, struct fragment *fragment, const struct answer *answer,
		 const char *bytes, size_t len)
{
	fragment->of = answer->identity;
	fragment->piece = batch->piece;
	fragment->pid_len = (size_t)(put_u64(fragment->pid, answer->pid) - fragment->pid);
	fragment->len = len;
	memcpy(fragment->bytes, bytes, len);
}

/* Print an answer part by part, and keep the part of the process for those that follow. */
static void print_identified(struct batch *batch, const struct question *question,
			     const struct answer *answer)
{
	struct fragment *fragment = fragment_of(batch, answer->pid);
	bool kept = is_kept(batch, fragment, &answer->identity);
	struct facts facts = { .answer = answer, .process = &batch->process, .now = batch->now };
	char *start;

	if (kept && question->dst && answer->matches == 1) {
		print_known(batch, question, &answer->identity, fragment);
		return;
	}
	if (!kept)
		process_inspect(&batch->process, &answer->identity, batch->want_cmdline);
	facts.status = batch->process.status;
	out_room(FRAGMENT_BYTES + REST_BYTES);
	answer_print_json_part(&facts, PART_PID);
	answer_print_json_part(&facts, PART_QUESTION);
	start = out_reserve(0);
	if (kept) {
		out_bytes(fragment->bytes, fragment->len);
	} else {
		answer_print_json_part(&facts, PART_PROCESS);
		keep(batch, fragment, answer, start, (size_t)(out_reserve(0) - start));
	}
	answer_print_json_part(&facts, PART_RECORD);
	out_str("}\n");
}

static void print_unidentified(struct batch *batch, const struct answer *answer)
{
	process_set_unknown(&batch->process);
	answer_print_json(&(struct facts) { .answer = answer,
					    .status = PROCESS_UNKNOWN,
					    .process = &batch->process,
					    .now = batch->now });
	out_str("\n");
}

static void answer_question(struct batch *batch, const struct question *question)
{
	struct answer answers[LOOKUP_RECORDS];
	int count;

	if (question->error) {
		print_error(question->bad, question->error);
		out_str("}\n");
		return;
	}
	count = lookup_answers(&batch->lookup, &question->conn, &question->query, answers);
	if (count <= 0) {
		answers[0].conn = question->conn;
		print_error(NULL, count == 0 ? "not found" : strerror(-count));
		answer_print_json_part(&(struct facts) { .answer = &answers[0] }, PART_QUESTION);
		out_str("}\n");
		return;
	}
	if (answers[0].has_identity)
		print_identified(batch, question, &answers[0]);
	else
		print_unidentified(batch, &answers[0]);
}

static void fetch_next(struct batch *batch)
{
	const struct question *question = &batch->questions[batch->fetched++ % QUEUE];

	if (!question->error)
		identity_prefetch_record(&batch->lookup.identities, &question->query);
}

static void answer_next(struct batch *batch)
{
	const struct question *question = &batch->questions[batch->answered++ % QUEUE];

	if (question->error || !answer_at_once(batch, question))
		answer_question(batch, question);
}

static void answer_rest(struct batch *batch)
{
	while (batch->fetched != batch->asked)
		fetch_next(batch);
	while (batch->answered != batch->asked)
		answer_next(batch);
}

/*
 * Read the line at LINE into the queue, which may answer an earlier question. Returns where
 * the next line begins, or NULL when there is no line end before END.
 */
static char *take_line(struct batch *batch, char *line, char *end)
{
	struct question *question = &batch->questions[batch->asked % QUEUE];
	char *next = (char *)parse_plain_line(question, line);

	if (!next) {
		char *line_end = memchr(line, '\n', (size_t)(end - line));

		if (!line_end)
			return NULL;
		*line_end = '\0';
		parse_line(question, line, (size_t)(line_end - line));
		next = line_end + 1;
	}
	if (!question->error) {
		identity_query(&question->query, &batch->lookup.identities, &question->conn);
		question->query.source = question->source;
		identity_prefetch_bucket(&batch->lookup.identities, &question->query);
	}
	batch->asked++;
	if (batch->asked - batch->fetched > FETCH)
		fetch_next(batch);
	if (batch->asked - batch->answered == QUEUE)
		answer_next(batch);
	return next;
}

/*
 * Answer all whole lines of the LEN bytes of input. Returns how many bytes are left, which
 * begin a line and are now at the front of the input. Of a line that is too long only enough
 * is kept to tell that it is.
 */
static size_t take_input(struct batch *batch, size_t len)
{
	char *line = batch->input, *end = batch->input + len, *next;

	*end = '\0'; /* parse_plain_line() stops here */
	while (line < end && (next = take_line(batch, line, end)))
		line = next;
	answer_rest(batch);
	len = (size_t)(end - line);
	if (len > LINE_MAX_BYTES)
		len = LINE_MAX_BYTES + 1;
	memmove(batch->input, line, len);
	return len;
}

/* The answers from here on are of this moment: what was read before does not hold for them. */
static void begin_piece(struct batch *batch)
{
	lookup_refresh(&batch->lookup);
	batch->piece++;
	batch->now = boot_time();
}

int answer_batch(const struct netns_choice *netns, bool want_cmdline)
{
	struct batch *batch = mmap(NULL, sizeof(*batch), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t kept = 0;
	ssize_t n;

	if (batch == MAP_FAILED) {
		warn_parts("no memory: ", strerror(errno), NULL);
		return EXIT_UNAVAILABLE;
	}
	batch->lookup.netns = *netns;
	batch->want_cmdline = want_cmdline;
	if (lookup_open_all(&batch->lookup))
		return EXIT_UNAVAILABLE;
	out_set_buffer(batch->output, sizeof(batch->output));
	for (;;) {
		/* A byte is spared for the line end that the last line may lack. */
		n = read(STDIN_FILENO, batch->input + kept, INPUT_BYTES - 1 - kept);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		begin_piece(batch);
		kept = take_input(batch, kept + (size_t)n);
		if (out_flush())
			return finish(EXIT_UNAVAILABLE);
	}
	if (n < 0) {
		warn_parts("cannot read standard input: ", strerror(errno), NULL);
		(void)out_flush();
		return EXIT_MISUSE;
	}
	if (kept > 0) {
		begin_piece(batch);
		batch->input[kept] = '\n';
		(void)take_input(batch, kept + 1);
	}
	return finish(EXIT_FOUND);
}
