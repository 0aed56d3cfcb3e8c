# SPDX-License-Identifier: MIT
#
# check-globals.awk: what functions of the scripts share is named. "make lint" runs it as
#   awk -f scripts/check-globals.awk scripts/globals helpers/lib/settings.c SCRIPT...
# and it fails when
#   - a script uses a name in capitals that is neither in scripts/globals nor a setting,
#   - scripts/globals names a file that does not set it, or not one that does,
#   - a function reads a name in lower case that it does not set itself, unless a function
#     that it calls has "$name" in the comment above it: that is then its answer,
#   - such a comment names what the function, with those that it calls, does not set,
#   - "Needs FILE, FILE." in the head of a file that others source names other files than
#     those whose functions and variables it uses. config.sh stands for the settings.
#
# It reads the shell as far as it has to: quotes, expansions, comments, here-documents. It
# does not follow the order of commands, nor functions that are called by way of another
# command than run and undo.

# --- the shell -----------------------------------------------------------------
#
# A stack of what is open: "n" nothing, "s" single and "d" double quotes, "h" a
# here-document, "p" ${...}, "c" $(...), "a" $((...)). Text of "c" and "a" is kept apart.

function push(kind) {
	context[++depth] = kind
	parens[depth] = 0
	is_behind_name[depth] = 0
	buffer[depth] = kind ~ /[ca]/ ? depth : buffer[depth - 1]
	if (kind ~ /[ca]/)
		text[depth] = ""
}

function pop(	kind) {
	kind = context[depth--]
	if (kind == "a")
		arithmetic(text[depth + 1])
	if (kind == "c")
		commands(text[depth + 1])
	# Where it ends, so that what follows is no part of a name.
	emit("@")
}

function emit(s) {
	text[buffer[depth]] = text[buffer[depth]] s
}

# After "<<", which may have a "-": the word that ends the here-document.
function here(rest) {
	here_strips = sub(/^-/, "", rest)
	match(rest, /^['"]?[A-Za-z]+['"]?/)
	here_word = substr(rest, 1, RLENGTH)
	here_is_quoted = gsub(/['"]/, "", here_word)
	return RLENGTH + here_strips
}

function line(s,	n, i, c, next_char, kind) {
	n = length(s)
	goes_on = 0
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		next_char = substr(s, i + 1, 1)
		kind = context[depth]
		if (kind == "s") {
			if (c == "'")
				pop()
		} else if (c == "\\") {
			i++
			goes_on = next_char == "\n"
			emit(goes_on ? " " : "@")
		} else if (c == "$") {
			if (next_char == "{") {
				i++
				push("p")
				emit("$")
				if (substr(s, i + 1, 2) ~ /^#[A-Za-z0-9_]/)
					i++
			} else if (next_char == "(") {
				i++
				if (substr(s, i + 1, 1) == "(") {
					i++
					push("a")
				} else
					push("c")
			} else
				emit("$")
		} else if (kind ~ /[dh]/) {
			if (c == "\"" && kind == "d")
				pop()
			else if (c ~ /[A-Za-z0-9_]/ && text[buffer[depth]] ~ /\$[A-Za-z0-9_]*$/)
				emit(c)
			else
				emit("@")
		} else if (c == "\"" || c == "'") {
			emit("@")
			push(c == "'" ? "s" : "d")
		} else if (kind == "p") {
			if (c == "}")
				pop()
			else if (c ~ /[A-Za-z0-9_]/ && !is_behind_name[depth])
				emit(c)
			else {
				is_behind_name[depth] = 1
				emit("@")
			}
		} else if (kind == "a") {
			parens[depth] += c == "("
			if (c == ")" && parens[depth]-- == 0) {
				i++
				pop()
			} else
				emit(c)
		} else if (c == "#" && (i == 1 || substr(s, i - 1, 1) ~ /[ \t;(]/)) {
			emit("\n")
			return
		} else if (c == "<" && next_char == "<") {
			i += 1 + here(substr(s, i + 2))
		} else {
			parens[depth] += c == "("
			if (kind == "c" && c == ")" && parens[depth]-- == 0)
				pop()
			else
				emit(c)
		}
	}
}

function reads_in(s,	name) {
	while (match(s, /\$[A-Za-z_][A-Za-z0-9_]*/)) {
		name = substr(s, RSTART + 1, RLENGTH - 1)
		reads[FILENAME, fn, name] = FNR
		s = substr(s, RSTART + RLENGTH)
	}
}

function arithmetic(s) {
	gsub(/[^A-Za-z0-9_]+/, " ", s)
	gsub(/(^| )[A-Za-z_]/, " $&", s)
	gsub(/\$ /, " $", s)
	reads_in(s)
}

function assigns(name, value) {
	if (name !~ /^[A-Za-z_][A-Za-z0-9_]*$/ || name == "_")
		return
	sets[FILENAME, fn, name] = FNR
	# What is put behind its old value was set before.
	if (!match(value "@", "[$]" name "[^A-Za-z0-9_]"))
		sets_anew[FILENAME, fn, name] = FNR
}

# The commands of S, in which quoted text is "@".
function commands(s,	parts, n, i) {
	reads_in(s)
	n = split(s, parts, /[;&|()\n]+/)
	for (i = 1; i <= n; i++)
		command(parts[i])
}

function command(s,	words, n, i, first) {
	n = split(s, words, /[ \t]+/)
	for (i = 1; i <= n && words[i] ~ /^($|[{}!]|if|then|elif|else|while|until|do|in)$/; i++)
		;
	first = i
	while (i <= n && words[i] ~ /^[A-Za-z_][A-Za-z0-9_]*=/)
		i++
	if (i > n || words[i] == "") {
		for (i = first; i <= n; i++)
			assigns(substr(words[i], 1, index(words[i], "=") - 1), words[i])
		return
	}
	# Else they are for the environment of this command alone.
	if (words[i] == "for")
		assigns(words[i + 1])
	else if (words[i] == "read") {
		while (++i <= n && words[i] !~ /^[<>]/)
			assigns(words[i])
	} else if (words[i] == "export") {
		while (++i <= n)
			if (words[i] ~ /=/)
				assigns(substr(words[i], 1, index(words[i], "=") - 1))
	} else {
		calls[FILENAME, fn, words[i]] = FNR
		if (words[i] ~ /^(run|undo)$/)
			calls[FILENAME, fn, words[i + 1]] = FNR
	}
}

# --- the files -------------------------------------------------------------------

function base(path) {
	sub(/.*\//, "", path)
	return path
}

function fail(where, what) {
	print where ": " what >"/dev/stderr"
	failed = 1
}

FILENAME == ARGV[1] {
	if (/^[A-Z]/) {
		listed[$1] = FNR
		n = split($2, parts, ",")
		for (i = 1; i <= n; i++)
			setter[$1, parts[i]] = FNR
	}
	next
}

FILENAME == ARGV[2] {
	if (match($0, /^\t[A-Z]+\("[A-Z0-9_]+"/)) {
		split($0, parts, "\"")
		setting[parts[2]] = 1
	}
	next
}

FNR == 1 {
	depth = 0
	context[0] = "n"
	buffer[0] = 0
	text[0] = here_word = comment = head = ""
	fn = "the top"
	name = base(FILENAME)
	is_sourced[name] = /^# shellcheck shell=sh/
	is_head = 1
}

is_head && !/^#/ {
	is_head = 0
	if (match(head, /Needs [a-z]/)) {
		head = substr(head, RSTART)
		sub(/(\. |\.$).*/, "", head)
		while (match(head, /[a-z-]+\.sh/)) {
			needs[name, substr(head, RSTART, RLENGTH)] = FILENAME
			head = substr(head, RSTART + RLENGTH)
		}
	}
}

is_head {
	head = head substr($0, 2)
}

here_word != "" && context[depth] == "h" || here_begins {
	here_begins = 0
	if (context[depth] != "h" && !here_is_quoted)
		push("h")
	t = $0
	if (here_strips)
		sub(/^\t+/, "", t)
	if (t == here_word) {
		here_word = ""
		if (context[depth] == "h")
			pop()
		if (depth == 0) {
			commands(text[0])
			text[0] = ""
		}
	} else if (!here_is_quoted)
		line($0 "\n")
	else
		here_begins = 1
	next
}

depth == 0 && /^#/ {
	comment = comment " " $0
	next
}

# What this file defines is built.
depth == 0 && /\. "\$OBJECTS/ {
	split(comment, parts, " ")
	doc[FILENAME, parts[2]] = comment " "
	is_built[parts[2]] = 1
	place[parts[2]] = FILENAME
}

depth == 0 && /^[A-Za-z_][A-Za-z0-9_]*\(\) \{/ {
	fn = substr($0, 1, index($0, "(") - 1)
	doc[FILENAME, fn] = comment " "
	place[fn] = place[fn] " " FILENAME
	comment = ""
	next
}

depth == 0 && /^\}/ {
	fn = "the top"
	comment = ""
	next
}

{
	comment = ""
	line($0 "\n")
	here_begins = here_word != ""
	if (depth == 0 && !here_begins && !goes_on) {
		commands(text[0])
		text[0] = ""
	}
}

# --- what has to hold ------------------------------------------------------------

# The file of the function that FILE means by NAME: its own, or that of a file it sources.
function file_of(file, name,	files, n, i) {
	if ((file, name) in doc)
		return file
	n = split(place[name], files, " ")
	return n == 1 ? files[1] : ""
}

function tells(file, name, variable) {
	return doc[file, name] ~ ("[$]" variable "[^A-Za-z0-9_]")
}

# Whether a function that NAME of FILE calls answers in VARIABLE.
function is_answered(file, name, variable,	key, parts, at) {
	for (key in calls) {
		split(key, parts, SUBSEP)
		if (parts[1] == file && parts[2] == name && (at = file_of(file, parts[3])) != "" &&
		    tells(at, parts[3], variable))
			return 1
	}
	return 0
}

# use FILE OTHER: a function or a variable of that.
function use(file, other, what, at) {
	file = base(file)
	if (!is_sourced[file] || !is_sourced[other] || file == other)
		return
	if (!((file, other) in needs))
		fail(at, "Needs " other " for " what ", and the head does not say so")
	is_used[file, other] = 1
}

function use_variable(path, name, at,	key, parts) {
	if (name in setting)
		use(path, "config.sh", "the setting " name, at)
	else if (!((name, base(path)) in setter))
		for (key in setter) {
			split(key, parts, SUBSEP)
			if (parts[1] == name)
				use(path, parts[2], name, at)
		}
}

END {
	for (key in sets) {
		split(key, parts, SUBSEP)
		if (parts[3] ~ /^[A-Z]/ && parts[3] != "IFS") {
			is_set[parts[3], base(parts[1])] = 1
			if (!((parts[3], base(parts[1])) in setter) && !(parts[3] in setting && !(parts[3] in listed)))
				fail(parts[1] ":" sets[key], parts[3] " is set, and " ARGV[1] " does not say so")
		}
	}
	for (key in calls) {
		split(key, parts, SUBSEP)
		use(parts[1], base(file_of(parts[1], parts[3])), parts[3] "()", parts[1] ":" calls[key])
	}
	for (key in reads) {
		split(key, parts, SUBSEP)
		name = parts[3]
		if (name ~ /^[A-Z]/) {
			if (name != "IFS" && !(name in listed) && !(name in setting))
				fail(parts[1] ":" reads[key], name " is neither in " ARGV[1] " nor a setting")
			use_variable(parts[1], name, parts[1] ":" reads[key])
		} else if (!(key in sets_anew) && !is_answered(parts[1], parts[2], name))
			fail(parts[1] ":" reads[key], parts[2] " reads $" name ", which it does not set, and no function that it calls is said to")
	}
	for (key in setter) {
		split(key, parts, SUBSEP)
		if (parts[2] !~ /^(environment|make)$/ && !((parts[1], parts[2]) in is_set))
			fail(ARGV[1] ":" setter[key], parts[1] " is not set in " parts[2])
	}
	for (key in doc) {
		split(key, parts, SUBSEP)
		s = doc[key]
		while (match(s, /[$][a-z_][a-z0-9_]*/)) {
			name = substr(s, RSTART + 1, RLENGTH - 1)
			s = substr(s, RSTART + RLENGTH)
			if (!is_built[parts[2]] && !((parts[1], parts[2], name) in sets) && !is_answered(parts[1], parts[2], name))
				fail(parts[1], "the comment above " parts[2] " names $" name ", which it does not set")
		}
	}
	for (key in needs) {
		split(key, parts, SUBSEP)
		if (is_sourced[parts[1]] && !((parts[1], parts[2]) in is_used))
			fail(needs[key], "the head says that it needs " parts[2] ", of which it uses nothing")
	}
	exit failed
}
