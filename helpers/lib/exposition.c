// SPDX-License-Identifier: MIT
#include "exposition.h"

#include "number.h"
#include "text.h"

#include <string.h>

static bool openmetrics;
static uint64_t created; /* in nanoseconds since 1970; OpenMetrics only */
static const char *name; /* of the family that was begun */
static bool has_labels;	 /* whether the sample that was begun has one */

void use_openmetrics(uint64_t created_ns)
{
	openmetrics = true;
	created = created_ns;
}

static void meta(const char *keyword, const char *suffix, const char *text)
{
	out_str("# ");
	out_str(keyword);
	out_str(" ");
	out_str(name);
	out_str(suffix);
	out_str(" ");
	out_str(text);
	out_str("\n");
}

void family(enum kind kind, const char *family_name, const char *unit, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "info" };
	/* In the format of Prometheus the suffix belongs to the name, and info is a gauge. */
	const char *suffix = kind == COUNTER ? "_total" : kind == INFO ? "_info" : "";
	const char *type = types[kind == INFO && !openmetrics ? GAUGE : kind];

	name = family_name;
	meta("HELP", openmetrics ? "" : suffix, help);
	meta("TYPE", openmetrics ? "" : suffix, type);
	if (openmetrics && unit)
		meta("UNIT", "", unit);
}

void sample(const char *suffix)
{
	out_str(name);
	out_str(suffix);
	has_labels = false;
}

/* How many of the LEFT bytes at S are printed as they are. */
static size_t plain_length(const char *s, size_t left)
{
	size_t n = 0;

	while (n < left) {
		size_t step = utf8_length(s + n, left - n);

		if (!step || s[n] == '\\' || s[n] == '"' || s[n] == '\n')
			break;
		n += step;
	}
	return n;
}

/*
 * Both formats escape a backslash, a quote and a line end. A scraper refuses all of a text
 * that is not UTF-8, so U+FFFD is printed for each byte that is not.
 */
static void out_label_value(const char *s)
{
	size_t left = strlen(s);

	while (left > 0) {
		size_t plain = plain_length(s, left);

		out_bytes(s, plain);
		s += plain;
		left -= plain;
		if (!left)
			return;
		out_str(*s == '\n'   ? "\\n"
			: *s == '"'  ? "\\\""
			: *s == '\\' ? "\\\\"
				     : "\357\277\275");
		s++;
		left--;
	}
}

void label(const char *label_name, const char *label_value)
{
	out_str(has_labels ? "," : "{");
	out_str(label_name);
	out_str("=\"");
	out_label_value(label_value);
	out_str("\"");
	has_labels = true;
}

static void before_value(void)
{
	out_str(has_labels ? "} " : " ");
}

void value(uint64_t n)
{
	before_value();
	out_u64(n);
	out_str("\n");
}

static void out_scaled(uint64_t n, unsigned decimals)
{
	char fraction[NUMBER_DIGITS];
	uint64_t power = 1;
	const char *end;

	for (unsigned i = 0; i < decimals; i++)
		power *= 10;
	/* The 1 in front, which is not printed, keeps the zeroes behind the point. */
	end = put_u64(fraction, power + n % power);
	while (end[-1] == '0' && end > fraction + 1)
		end--;
	out_u64(n / power);
	if (end > fraction + 1) {
		out_str(".");
		out_bytes(fraction + 1, (size_t)(end - fraction - 1));
	}
}

void value_scaled(uint64_t n, unsigned decimals)
{
	before_value();
	out_scaled(n, decimals);
	out_str("\n");
}

static void counter_sample(const char *suffix, const char *const *names, const char *const *values,
			   size_t labels)
{
	sample(suffix);
	for (size_t i = 0; i < labels; i++)
		label(names[i], values[i]);
}

void counter_since(const char *label_name, const char *label_value, uint64_t n, unsigned decimals,
		   uint64_t since_ns)
{
	counter_sample("_total", &label_name, &label_value, 1);
	value_scaled(n, decimals);
	if (!openmetrics)
		return;
	counter_sample("_created", &label_name, &label_value, 1);
	value_scaled(since_ns, 9);
}

void counter_labels(const char *const *names, const char *const *values, size_t labels, uint64_t n)
{
	counter_sample("_total", names, values, labels);
	value(n);
	if (!openmetrics)
		return;
	counter_sample("_created", names, values, labels);
	value_scaled(created, 9);
}

void counter(const char *label_name, const char *label_value, uint64_t n)
{
	counter_labels(&label_name, &label_value, label_name ? 1 : 0, n);
}

void histogram(const __u64 *buckets, const char *const *bounds, size_t count, uint64_t sum,
	       unsigned decimals)
{
	uint64_t below = 0;

	for (size_t i = 0; i < count; i++) {
		below += buckets[i];
		sample("_bucket");
		label("le", i + 1 < count ? bounds[i] : "+Inf");
		value(below);
	}
	sample("_sum");
	value_scaled(sum, decimals);
	sample("_count");
	value(below);
	if (openmetrics) {
		sample("_created");
		value_scaled(created, 9);
	}
}

void end_of_metrics(void)
{
	if (openmetrics)
		out_str("# EOF\n");
}
