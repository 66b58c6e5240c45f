#!/usr/bin/env python3
"""Holds the floors of the house: which folder may include what, and a few habits a grep can see.

    python3 tests/check_layers.py               every source of the repository; exit 1 on a violation
    python3 tests/check_layers.py --self-test   every rule, on a snippet that breaks it

The arrows are design.md §1: an include goes to a lower floor, node and peer do not know each other,
and what is outside (Asio, Eigen, toml++, Protocol Buffers) stays in the folders named here.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Floor 0 up to the mains. A folder may always include itself.
ALLOWED = {
    "protocol": set(),
    "compress": {"protocol"},
    "train": {"protocol"},
    "gossip": {"compress", "protocol"},
    "node": {"gossip", "compress", "train", "protocol"},
    "peer": {"protocol"},
    "sim": {"node", "gossip", "compress", "train", "protocol"},
    "daemon": {"node", "peer", "gossip", "compress", "train", "protocol"},
}
FOLDERS = tuple(ALLOWED)

# The program `starling` joins both drivers; the rest of daemon/ does not know the simulator.
COMMANDS = re.compile(r"daemon/(starling\.cc|commands?(_\w+)?\.(h|cc))")

# (what, pattern of an include, may it be in this file)
OUTSIDE = [
    ("Asio", re.compile(r"(boost/)?asio(\.hpp|/)"),
     lambda path: folder_of(path) in {"peer", "daemon"}, "in peer/ and daemon/"),
    ("Eigen", re.compile(r"(unsupported/)?Eigen/"),
     lambda path: folder_of(path) == "train", "in train/"),
    ("toml++", re.compile(r"toml\+\+/|toml\.hpp"),
     lambda path: path == "node/config_text.cc", "in node/config_text.cc"),
    ("CLI11", re.compile(r"CLI/|CLI11\.hpp"),
     lambda path: path in {"daemon/command_line.cc", "daemon/command_words.cc"},
     "in daemon/command_line.cc and daemon/command_words.cc"),
    ("prometheus-cpp", re.compile(r"prometheus/"),
     lambda path: folder_of(path) == "daemon", "in daemon/"),
    ("Protocol Buffers", re.compile(r".*\.pb\.h$|google/protobuf/"),
     lambda path: folder_of(path) in {"peer", "daemon"}, "in peer/ and daemon/"),
]

# (pattern of code, may it be in this file, sentence)
CODE = [
    (re.compile(r"\b(std::(shared_|recursive_|timed_|shared_timed_|recursive_timed_)?mutex"
                r"|(std::)?(condition_variable(_any)?|lock_guard|unique_lock|scoped_lock"
                r"|shared_lock))\b"),
     lambda path: False, "a lock: threads share immutable bytes, atomics and the logger alone"),
    (re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b"),
     lambda path: False, "a sleep: ask for a timer and return"),
    (re.compile(r"(?<![\w.>])(std::)?(rand|srand)\s*\(|\bstd::random_device\b|\brandom_device\b"),
     lambda path: False, "global randomness: draw from protocol/random.h"),
    (re.compile(r"\b(steady_clock|system_clock|high_resolution_clock)::now\b"),
     lambda path: folder_of(path) in {"peer", "daemon"},
     "a clock below the drivers: `now` is an argument"),
    (re.compile(r"\b(system_clock|utc_clock|tai_clock|file_clock)\b|(?<![\w.>])(std::|::)?"
                r"(time|clock|gettimeofday|clock_gettime|timespec_get|ftime)\s*\("
                r"(?!CLOCK_THREAD_CPUTIME_ID)"),
     lambda path: path == "daemon/day_file.cc",  # what outlives a restart of the machine
     "the wall clock: it may jump by years; deadlines are of the steady clock"),
    (re.compile(r"\busing\s+namespace\b"),
     lambda path: not path.endswith(".h"), "`using namespace` in a header"),
    (re.compile(r"\bdetached\b"),
     lambda path: re.fullmatch(r"peer/spawn\w*\.(h|cc)", path) is not None,
     "`detached` hides a coroutine's exception: use the helper in peer/spawn.h"),
]

LINES_MAX = 400
COLUMNS_MAX = 100
INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^">]+)[">]')


def folder_of(path):
    return path.split("/", 1)[0]


# Comments and string or character literals, so that words in them break no rule. A raw string
# first, an apostrophe between digits (1'000) last.
NOT_CODE = re.compile(r'R"(?P<end>[^()\\\s]{0,16})\(.*?\)(?P=end)"|//[^\n]*|/\*.*?\*/'
                      r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)


def without_comments_and_literals(text):
    return NOT_CODE.sub(lambda m: " " + "\n" * m.group().count("\n"), text)


def include_problem(path, target):
    folder = folder_of(path)
    for name, pattern, allowed, where in OUTSIDE:
        if pattern.match(target) and not allowed(path):
            return f"{path} includes {target}: {name} belongs {where} alone"
    floor = folder_of(target)
    if "/" not in target or floor not in ALLOWED or floor == folder:
        return None
    if floor in ALLOWED[folder] or (floor == "sim" and COMMANDS.fullmatch(path)):
        return None
    below = ", ".join(sorted(ALLOWED[folder])) or "no other folder"
    return f"{path} includes {target}: {folder}/ may include {below}"


def check(path, text):
    """(line, sentence) for every violation in one file; `path` is relative, with slashes."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if len(lines) > LINES_MAX:
        yield LINES_MAX + 1, f"{len(lines)} lines, expected at most {LINES_MAX}: split the file"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns, expected at most {COLUMNS_MAX}"
    if path.endswith(".proto"):
        return
    code = without_comments_and_literals(text).split("\n")
    for number, (line, bare) in enumerate(zip(lines, code), 1):
        include = INCLUDE.match(line) if bare.lstrip().startswith("#") else None
        problem = include_problem(path, include.group(1)) if include else None
        if problem:
            yield number, problem
        for pattern, allowed, sentence in CODE:
            if not include and pattern.search(bare) and not allowed(path):
                yield number, f"found {pattern.search(bare).group().strip()}, {sentence}"


def sources():
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in {".h", ".cc", ".proto"}:
                yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def main():
    files = includes = violations = 0
    for path, text in sources():
        files += 1
        includes += sum(1 for line in text.split("\n") if INCLUDE.match(line))
        for number, sentence in check(path, text):
            violations += 1
            print(f"{path}:{number}: {sentence}")
    if violations:
        print(f"check_layers: {violations} violations in {files} files")
        return 1
    print(f"check_layers: {files} files and {includes} includes keep the floors")
    return 0


# (file, text, a word of the one sentence that is expected; None: clean)
SELF_TEST = [
    ("protocol/a.h", '#include "compress/b.h"', "may include no other folder"),
    ("compress/a.cc", '#include "train/b.h"', "may include protocol"),
    ("train/a.cc", '#include "gossip/b.h"', "may include protocol"),
    ("gossip/a.cc", '#include "train/b.h"', "may include compress, protocol"),
    ("node/a.cc", '#include "peer/b.h"', "may include"),
    ("peer/a.cc", '#include "node/b.h"', "may include protocol"),
    ("sim/a.cc", '#include "peer/b.h"', "may include"),
    ("sim/a.cc", '#include "daemon/b.h"', "may include"),
    ("daemon/engine.cc", '#include "sim/b.h"', "may include"),
    ("daemon/starlingd.cc", '#include "sim/b.h"', "may include"),
    ("daemon/starling.cc", '#include "sim/b.h"', None),
    ("daemon/command_simulate.cc", '#include "sim/b.h"', None),
    ("daemon/commands.h", '#include "sim/b.h"', None),
    ("daemon/a.cc", '#include "node/b.h"\n#include "peer/c.h"\n#include <asio.hpp>', None),
    ("node/a.cc", '#include "train/b.h"\n#include "node/c.h"\n#include <vector>', None),
    ("gossip/a.cc", "#include <asio/io_context.hpp>", "Asio belongs"),
    ("node/a.cc", "  #  include <asio.hpp>", "Asio belongs"),
    ("compress/a.cc", "#include <Eigen/Dense>", "Eigen belongs"),
    ("train/a.cc", "#include <Eigen/Dense>", None),
    ("node/config.cc", "#include <toml++/toml.h>", "toml++ belongs"),
    ("node/config_text.cc", "#include <toml++/toml.h>", None),
    ("daemon/commands.h", "#include <CLI/CLI.hpp>", "CLI11 belongs"),
    ("daemon/command_ping.cc", "#include <CLI/App.hpp>", "CLI11 belongs"),
    ("daemon/command_line.cc", "#include <CLI/CLI.hpp>", None),
    ("daemon/command_words.cc", "#include <CLI/CLI.hpp>", None),
    ("node/a.cc", '#include "protocol/peer.pb.h"', "Protocol Buffers belongs"),
    ("protocol/frame.h", '#include "protocol/peer.pb.h"', "Protocol Buffers belongs"),
    ("gossip/a.cc", "#include <google/protobuf/message.h>", "Protocol Buffers belongs"),
    ("peer/a.cc", '#include "protocol/peer.pb.h"', None),
    ("peer/a.cc", "#include <prometheus/exposer.h>", "prometheus-cpp belongs"),
    ("daemon/metrics.cc", "#include <prometheus/exposer.h>", None),
    ("peer/a.h", "std::mutex mutex_;", "a lock"),
    ("daemon/a.h", "std::shared_mutex mutex_;", "a lock"),
    ("daemon/a.cc", "std::lock_guard lock(m);", "a lock"),
    ("daemon/a.cc", "std::condition_variable ready;", "a lock"),
    ("daemon/a.cc", "std::this_thread::sleep_for(1s);", "a sleep"),
    ("daemon/a.cc", "usleep(5);", "a sleep"),
    ("train/a.cc", "int x = rand();", "global randomness"),
    ("train/a.cc", "std::srand(1);", "global randomness"),
    ("train/a.cc", "std::random_device seed;", "global randomness"),
    ("train/a.cc", "operand(3); noise.rand(2);", None),
    ("gossip/a.cc", "auto t = std::chrono::steady_clock::now();", "a clock"),
    ("sim/a.cc", "auto t = steady_clock::now();", "a clock"),
    ("daemon/a.cc", "auto t = steady_clock::now();", None),
    ("peer/a.cc", "auto t = steady_clock::now();", None),
    ("gossip/a.cc", "auto t = ::time(nullptr);", "the wall clock"),
    ("node/a.cc", "gettimeofday(&t, nullptr);", "the wall clock"),
    ("peer/a.cc", "clock_gettime(CLOCK_REALTIME, &t);", "the wall clock"),
    ("peer/a.cc", "clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);", None),
    ("daemon/a.cc", "using Clock = std::chrono::system_clock;", "the wall clock"),
    ("daemon/day_file.cc", "auto t = std::chrono::system_clock::now();", None),
    ("sim/a.cc", "x.time(3); virtual_time(4); Time time_of(int);", None),
    ("node/a.h", "using namespace std;", "using namespace"),
    ("node/a.cc", "using namespace types;", None),
    ("peer/session.cc", "co_spawn(io, run(), asio::detached);", "`detached`"),
    ("daemon/a.cc", "co_spawn(io, run(), detached);", "`detached`"),
    ("peer/spawn.h", "co_spawn(io, run(), asio::detached);", None),
    ("node/a.cc", "int x;\n" * 401, "401 lines"),
    ("node/a.cc", "int x;\n" * 400, None),
    ("node/a.cc", "//" + "x" * 99, "101 columns"),
    ("protocol/a.proto", "//" + "x" * 99, "101 columns"),
    ("node/a.cc", "// é" + "x" * 96, None),
    ("node/a.cc", "// std::mutex\n/* sleep_for\nrand() */ const char* a = \"steady_clock::now\";",
     None),
    ("node/a.cc", 'auto text = R"(std::mutex\n"rand()")"; int n = 1\'000\'000;', None),
    ("node/a.cc", "int n = 1'000; std::mutex m; int k = 2'000;", "a lock"),
    ("node/a.cc", "char quote = '\"'; std::mutex m; char other = '\"';", "a lock"),
    ("node/a.cc", '// #include "peer/b.h"\n/*\n#include "peer/b.h"\n*/', None),
]


def self_test():
    wrong = 0
    for path, text, expected in SELF_TEST:
        found = [sentence for _, sentence in check(path, text)]
        fits = not found if expected is None else len(found) == 1 and expected in found[0]
        if not fits:
            wrong += 1
            print(f"self-test: {path}: {text[:60]!r}: expected {expected!r}, found {found}")
    print(f"self-test: {len(SELF_TEST) - wrong} of {len(SELF_TEST)} snippets as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--self-test"]):
        sys.exit("usage: check_layers.py [--self-test]")
    sys.exit(self_test() if sys.argv[1:] else main())
