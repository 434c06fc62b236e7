"""The attacks that fcgi_peer.py knows, and how they are tried: what a hostile, broken or merely odd
client does on the receiver's socket. A body that must not be kept names a device "half-...", one
that may or must be kept "odd-...", so that the store tells afterwards what came through."""

import concurrent.futures
import json
import random
import sys
import threading
import time

import fcgi_peer as fcgi
from fcgi_peer import BEGIN, DATA, END, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, UNKNOWN

DRIBBLE_S = 0.1
THREADS = 64
MIB = 1 << 20


def half():
    return fcgi.notification("half")


def odd():
    return fcgi.notification("odd")


def with_length(length, body=None):
    """A request whose CONTENT_LENGTH is LENGTH, whatever its body; None leaves it out."""
    return fcgi.request(half() if body is None else body, CONTENT_LENGTH=length)


def open_request(body, flags=0, **names):
    """A request up to the end of its parameters."""
    return fcgi.begin(flags=flags) + fcgi.stream(PARAMS, fcgi.pairs(fcgi.parameters(body, **names)))


# --- correct, however unusual ------------------------------------------------------------------
def one_byte_records(peer):
    peer.send(fcgi.request(odd(), chunk=1))


def byte_by_byte(peer):
    for byte in fcgi.request(odd()):
        peer.send(bytes([byte]))


def padded(peer):
    body = odd()
    records = [fcgi.record(STDIN, bytes([byte]), padding=255) for byte in body]
    peer.send(open_request(body) + b"".join(records) + fcgi.record(STDIN))


def padded_ends(peer):
    """Padding behind the empty records that end a stream, too: libfcgi stumbles over it."""
    peer.send(fcgi.request(odd(), chunk=7, padding=255))


def many_parameters(peer):
    more = {f"HTTP_X_{i}": "v" for i in range(10000)}
    peer.send(fcgi.request(odd(), **more))


def no_length(peer):
    peer.send(with_length(None, odd()))


def management(peer):
    names = fcgi.pairs({"FCGI_MAX_CONNS": "", "FCGI_MPXS_CONNS": ""})
    peer.send(fcgi.record(GET_VALUES, names, 0) + fcgi.request(odd()))


def unknown_management(peer):
    peer.send(fcgi.record(100, b"what", 0) + fcgi.request(odd()))


def stranger_records(peer):
    """Records of a request that was never begun, among those of one that was."""
    body = odd()
    strange = fcgi.stream(PARAMS, b"\1\1ab", 7) + fcgi.stream(STDIN, b"{}", 7)
    peer.send(open_request(body) + strange + fcgi.stream(STDIN, body))


def second_begin(peer):
    """Another request begun on the connection while the first is under way."""
    body = odd()
    peer.send(open_request(body) + fcgi.begin(request_id=2) + fcgi.stream(STDIN, body))


def pipelined(peer):
    """A second request right behind the first, before its answer; and the answer read late."""
    peer.send(fcgi.request(odd(), keep=True) + fcgi.request(odd(), keep=True))


def leaves_before_answer(peer):
    peer.send(fcgi.request(odd()))
    peer.close()


def never_reads(peer):
    peer.socket.settimeout(1)
    for _ in range(600):
        if not peer.send(fcgi.request(b"", keep=True, path="/nowhere")):
            break
        time.sleep(0.002)


# --- lies about the length ---------------------------------------------------------------------
def length_larger(peer):
    body = half()
    peer.send(with_length(str(len(body) + 10), body))


def length_larger_half_close(peer):
    body = half()
    peer.send(open_request(body) + fcgi.stream(STDIN, body[:-10], end=False))
    peer.half_close()


def length_smaller(peer):
    body = half()
    peer.send(with_length(str(len(body) - 10), body))


def length_none_of_body(peer):
    peer.send(with_length("0", half()))


def length_garbage(peer):
    peer.send(with_length("12abc"))


def length_negative(peer):
    peer.send(with_length("-5"))


def length_hexadecimal(peer):
    peer.send(with_length("0x10"))


def length_huge(peer):
    peer.send(with_length("99999999999999999999"))


def length_over_limit(peer):
    peer.send(with_length(str(2 * MIB), half()))


def body_over_limit(peer):
    peer.send(fcgi.request(half() + b" " * (2 * MIB)))


def body_over_limit_no_length(peer):
    peer.send(with_length(None, half() + b" " * (2 * MIB)))


def endless_body(peer):
    """32 MiB of a body that names no length and does not end."""
    peer.send(open_request(half(), CONTENT_LENGTH=None))
    block = fcgi.stream(STDIN, b" " * MIB, end=False)
    for _ in range(32):
        if not peer.send(block):
            break


# --- stops in the middle -----------------------------------------------------------------------
def silent(peer):
    pass


def half_header(peer):
    peer.send(fcgi.request(half())[:3])


def half_begin(peer):
    peer.send(fcgi.request(half())[:11])


def half_parameters(peer):
    peer.send(fcgi.request(half())[:60])


def half_body(peer):
    body = half()
    peer.send(open_request(body) + fcgi.stream(STDIN, body, end=False)[: len(body) // 2])


def half_body_half_close(peer):
    half_body(peer)
    peer.half_close()


def half_body_close(peer):
    half_body(peer)
    peer.close()


def body_not_begun(peer):
    peer.send(open_request(half()))


def half_end(peer):
    """All of the body, but the record that ends it is cut."""
    peer.send(with_length(None)[:-4])


def dribble(peer):
    for byte in fcgi.request(half()):
        if peer.stopped or not peer.send(bytes([byte])):
            break
        time.sleep(DRIBBLE_S)


def dribble_body(peer):
    body = half()
    peer.send(open_request(body))
    for byte in fcgi.stream(STDIN, body, chunk=1):
        if peer.stopped or not peer.send(bytes([byte])):
            break
        time.sleep(DRIBBLE_S)


def abort(peer):
    body = half()
    peer.send(open_request(body) + fcgi.stream(STDIN, body[:20], end=False))
    peer.send(fcgi.record(fcgi.ABORT))


# --- no FastCGI, or not as it should be --------------------------------------------------------
def speaks_http(peer):
    peer.send(b"POST /v1.0.0/messageReceiver HTTP/1.1\r\nHost: localhost\r\n\r\n" + half())


def zeros(peer):
    peer.send(b"\0" * 4096)


def ones(peer):
    peer.send(b"\xff" * 4096)


def wrong_version(peer):
    body = half()
    begin = fcgi.record(BEGIN, b"\0\1\0\0\0\0\0\0", version=2)
    peer.send(begin + fcgi.request(body)[16:])


def role(number):
    def act(peer):
        body = half()
        peer.send(fcgi.begin(role=number) + fcgi.request(body)[16:])
        peer.send(fcgi.stream(DATA, b"data"))

    return act


def zero_id(peer):
    peer.send(fcgi.request(half(), request_id=0))


def begins_twice(peer):
    peer.send(fcgi.begin() + fcgi.begin() + fcgi.record(PARAMS, b"\1"))


def short_begin(peer):
    peer.send(fcgi.record(BEGIN, b"\0\1") + fcgi.request(half())[16:])


def never_begun(peer):
    peer.send(fcgi.request(half())[16:])


def body_before_parameters(peer):
    body = half()
    peer.send(fcgi.begin() + fcgi.stream(STDIN, body))
    peer.send(fcgi.stream(PARAMS, fcgi.pairs(fcgi.parameters(body))))


def servers_records(peer):
    """What only a server may send."""
    for kind in (END, fcgi.STDOUT, fcgi.STDERR, GET_VALUES_RESULT, UNKNOWN):
        peer.send(fcgi.record(kind, b"\0" * 8))


def name_length_lies(length):
    def act(peer):
        block = (length | 1 << 31).to_bytes(4, "big") + b"\1" + b"NAME" * 8
        peer.send(fcgi.begin() + fcgi.stream(PARAMS, block) + fcgi.stream(STDIN, half()))

    return act


def value_length_lies(peer):
    block = b"\4" + b"\xff\xff\xff\xff" + b"NAME" + b"v" * 64
    peer.send(fcgi.begin() + fcgi.stream(PARAMS, block) + fcgi.stream(STDIN, half()))


def cut_pair(peer):
    block = fcgi.pairs(fcgi.parameters(half()))[:-3]
    peer.send(fcgi.begin() + fcgi.stream(PARAMS, block) + fcgi.stream(STDIN, half()))


def huge_parameter(peer):
    """One parameter of 16 MiB."""
    peer.send(fcgi.request(half(), HTTP_X="x" * (16 * MIB)))


def endless_parameters(peer):
    """32 MiB of parameters that do not end."""
    block = fcgi.stream(PARAMS, fcgi.pairs({f"N{i}": "v" * 1000 for i in range(1000)}), end=False)
    peer.send(fcgi.begin())
    for _ in range(32):
        if not peer.send(block):
            break


def hostile_parameters(peer):
    names = [("REQUEST_METHOD", "POST"), ("SCRIPT_NAME", "/v1.0.0/messageReceiver\0x"), ("", ""),
             ("CONTENT_LENGTH", "5"), ("CONTENT_LENGTH", "7"), ("A=B", "C=D\n"), ("N\0", "\x80")]
    peer.send(fcgi.begin() + fcgi.stream(PARAMS, fcgi.pairs(names)) + fcgi.stream(STDIN, b"{}{}{"))


OK = {200}
REFUSED = set(range(400, 500))
NOT_KEPT = REFUSED | {0}  # refused, or the connection closed without an answer
ANY = None

# name, what is done, the statuses that may answer it (ANY: none need come, and none is judged)
ATTACKS = [
    ("one-byte-records", one_byte_records, OK),
    ("byte-by-byte", byte_by_byte, OK),
    ("padded", padded, OK),
    ("padded-ends", padded_ends, OK | NOT_KEPT),
    ("many-parameters", many_parameters, OK | REFUSED),
    ("no-length", no_length, OK),
    ("management", management, OK),
    ("unknown-management", unknown_management, OK | NOT_KEPT),
    ("stranger-records", stranger_records, OK | NOT_KEPT),
    ("second-begin", second_begin, OK | NOT_KEPT),
    ("pipelined", pipelined, OK),
    ("leaves-before-answer", leaves_before_answer, ANY),
    ("never-reads", never_reads, ANY),
    ("length-larger", length_larger, NOT_KEPT),
    ("length-larger-half-close", length_larger_half_close, NOT_KEPT),
    ("length-smaller", length_smaller, NOT_KEPT),
    ("length-none-of-body", length_none_of_body, NOT_KEPT),
    ("length-garbage", length_garbage, NOT_KEPT),
    ("length-negative", length_negative, NOT_KEPT),
    ("length-hexadecimal", length_hexadecimal, NOT_KEPT),
    ("length-huge", length_huge, NOT_KEPT),
    ("length-over-limit", length_over_limit, NOT_KEPT),
    ("body-over-limit", body_over_limit, NOT_KEPT),
    ("body-over-limit-no-length", body_over_limit_no_length, NOT_KEPT),
    ("endless-body", endless_body, NOT_KEPT),
    ("silent", silent, ANY),
    ("half-header", half_header, ANY),
    ("half-begin", half_begin, ANY),
    ("half-parameters", half_parameters, ANY),
    ("half-body", half_body, ANY),
    ("half-body-half-close", half_body_half_close, NOT_KEPT),
    ("half-body-close", half_body_close, ANY),
    ("body-not-begun", body_not_begun, ANY),
    ("half-end", half_end, ANY),
    ("dribble", dribble, ANY),
    ("dribble-body", dribble_body, ANY),
    ("abort", abort, ANY),
    ("speaks-http", speaks_http, NOT_KEPT),
    ("zeros", zeros, ANY),
    ("ones", ones, NOT_KEPT),
    ("wrong-version", wrong_version, NOT_KEPT),
    ("role-authorizer", role(fcgi.AUTHORIZER), NOT_KEPT),
    ("role-filter", role(fcgi.FILTER), NOT_KEPT),
    ("role-0", role(0), NOT_KEPT),
    ("role-65535", role(65535), NOT_KEPT),
    ("zero-id", zero_id, ANY),
    ("begins-twice", begins_twice, ANY),
    ("short-begin", short_begin, NOT_KEPT),
    ("never-begun", never_begun, ANY),
    ("body-before-parameters", body_before_parameters, ANY),
    ("servers-records", servers_records, ANY),
    ("name-length-1g", name_length_lies(1 << 30), NOT_KEPT),
    ("name-length-2g", name_length_lies((1 << 31) - 1), NOT_KEPT),
    ("value-length-2g", value_length_lies, NOT_KEPT),
    ("cut-pair", cut_pair, NOT_KEPT),
    ("huge-parameter", huge_parameter, NOT_KEPT),
    ("endless-parameters", endless_parameters, NOT_KEPT),
    ("hostile-parameters", hostile_parameters, ANY),
]

# These take a thread of their own for as long as they last.
LASTING = {"dribble", "dribble-body"}


def find(name):
    """The attack of that name; "stop-K" is a good request of which K bytes are sent, never all."""
    if name.startswith("stop-"):
        return lambda peer: peer.send(fcgi.request(half())[:-1][: int(name[5:])]), ANY
    for known, act, expected in ATTACKS:
        if known == name:
            return act, expected
    sys.exit(f"{name}: no such attack; see fcgi_peer.py - list")


def begin_attack(options, name, count):
    """COUNT peers, each of which has done, or is doing, its worst."""
    act, _ = find(name)
    peers = [fcgi.Peer(options.socket) for _ in range(count)]
    if name in LASTING:
        for peer in peers:
            threading.Thread(target=act, args=(peer,), daemon=True).start()
        time.sleep(3 * DRIBBLE_S)
    elif act is not silent:
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(act, peers))
    return peers


def judge_answers(name, peers, wait):
    """What the peers were answered, and what is wrong with it."""
    _, expected = find(name)
    if expected is ANY:
        return {}, []
    end = time.monotonic() + wait
    statuses = {}
    for peer in peers:
        status = peer.read(wait=max(0.01, end - time.monotonic())).status
        statuses[status] = statuses.get(status, 0) + 1
    wrong = [f"{name}: answered {s}, {n} times" for s, n in statuses.items() if s not in expected]
    return statuses, wrong


def post_good(options, count):
    slowest, wrong = 0.0, []
    for _ in range(count):
        answer, seconds = fcgi.post(options.socket, fcgi.notification())
        slowest = max(slowest, seconds)
        if answer.status != 200 or '"stored"' not in answer.body:
            wrong.append(f"a good request: {answer.status} {answer.body}")
        elif seconds > options.within:
            wrong.append(f"a good request took {seconds:.2f} s")
    return slowest, wrong


def try_attack(options, name):
    """Attacks, posts good requests meanwhile and one more afterwards. Returns what was wrong."""
    peers = begin_attack(options, name, options.peers)
    slowest, wrong = post_good(options, options.goods)
    statuses, unexpected = judge_answers(name, peers, options.wait)
    for peer in peers:
        peer.close()
    slower, also_wrong = post_good(options, 1)
    report = {"attack": name, "answers": statuses, "slowestMs": max(slowest, slower) * 1000}
    print(json.dumps(report), flush=True)
    return [f"{name}: {w}" for w in wrong + also_wrong] + unexpected


def run_trial(options):
    wrong = []
    for name in options.attack.split(","):
        wrong += try_attack(options, name)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def run_hold(options):
    peers = begin_attack(options, options.attack, options.peers)
    print("ready", flush=True)
    sys.stdin.readline()
    for peer in peers:
        peer.close()
    return 0


def mutate(rng, data):
    """DATA with a few bytes changed, cut out, doubled or put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        length = rng.randint(1, 24)
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        else:
            data[at:at] = rng.randbytes(length)
    return bytes(data)


def run_fuzz(options):
    """Mutated requests, and noise, eight connections at a time, with good requests in between."""
    rng = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    sent, wrong, slowest = 0, [], 0.0
    while time.monotonic() < end and not wrong:
        peers = [fcgi.Peer(options.socket, 1) for _ in range(8)]
        for peer in peers:
            noise = rng.randbytes(rng.randint(1, 400)) if rng.random() < 0.2 else None
            peer.send(noise or mutate(rng, fcgi.request(half(), keep=rng.random() < 0.5)))
            if rng.random() < 0.5:
                peer.half_close()
        for peer in peers:
            peer.read(wait=0.01)
            peer.close()
        sent += len(peers)
        if sent % 200 == 0:
            seconds, wrong = post_good(options, 1)
            slowest = max(slowest, seconds)
    print(json.dumps({"sent": sent, "slowestMs": slowest * 1000}))
    for line in wrong:
        print(f"seed {options.seed}, after {sent}: {line}", file=sys.stderr)
    return 1 if wrong else 0


def run(options):
    if options.command == "list":
        print("\n".join(name for name, _, _ in ATTACKS))
        return 0
    if options.command == "fuzz":
        return run_fuzz(options)
    if options.attack is None:
        sys.exit(f"{options.command}: name an attack")
    return run_trial(options) if options.command == "trial" else run_hold(options)
