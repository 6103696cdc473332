#!/usr/bin/env python3
"""Asks the Linux kernel what it makes of random sequences of packets.

    record.py KIND SEED SEQUENCES OUT.pcap.gz        as root; needs iproute2, ethtool, nftables

A namespace with two interfaces forwards the packets; nftables writes `ct state` into the DSCP of each; what comes out is
read again. OUT holds the packets as they were sent, in their order, with that DSCP (README.md tells its meaning), and
without most of their payload.

KIND: strict (nf_conntrack_tcp_loose=0), loose (1), liberal (loose=0, be_liberal=1), drop (loose=1; what is invalid, and
new TCP that is no SYN, is dropped), timeouts (loose=1, short timeouts, and pauses); a 6 behind it: IPv6.
"""
import gzip
import os
import random
import socket
import struct
import subprocess
import sys
import time

KIND, SEED, SEQUENCES, OUT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
V6 = KIND.endswith("6")
MODE = KIND.rstrip("6")
RANDOM = random.Random(SEED)
NAMESPACE = f"conntrack{os.getpid()}"
PORTS = [f"ct{os.getpid()}a", f"ct{os.getpid()}b"]
STATES = {"new": 1, "established": 2, "related": 3, "invalid": 4, "untracked": 5}
TIMEOUTS = dict(syn_sent=4, syn_recv=3, established=9, fin_wait=4, close_wait=3, last_ack=2, time_wait=4, close=1,
                max_retrans=5, unacknowledged=6)
PAUSES = [0, 0, 0.7, 1.4, 2.1, 3.3, 4.4]
ETHERTYPE = b"\x86\xdd" if V6 else b"\x08\x00"
FIN, SYN, RST, PSH, ACK, URG, ECE = 1, 2, 4, 8, 16, 32, 64
MASK = 0xFFFFFFFF


def run(command, text=None, check=True):
    return subprocess.run(command.split(), input=text, check=check, capture_output=True, text=True).stdout


def inside(command, text=None):
    return run(f"ip netns exec {NAMESPACE} {command}", text)


def build():
    """The router: 10.1.0.0/16 behind one interface, 10.2.0.0/16 behind the other."""
    run(f"ip netns add {NAMESPACE}")
    inside("sysctl -qw net.ipv6.conf.all.disable_ipv6=0")
    for number, (outer, inner) in enumerate(zip(PORTS, ("left", "right")), 1):
        run(f"ip link add {outer} type veth peer name {inner} netns {NAMESPACE}")
        for offload in (f"ethtool -K {outer}", f"ip netns exec {NAMESPACE} ethtool -K {inner}"):
            run(f"{offload} tx off rx off gso off gro off tso off")
        run(f"ip link set dev {outer} up")
        inside(f"ip link set dev {inner} up")
        inside(f"ip addr add 10.255.{number}.1/24 dev {inner}")
        inside(f"ip -6 addr add fd00:255:{number}::1/64 dev {inner} nodad")
        for family, peer, net in (("-4", f"10.255.{number}.2", f"10.{number}.0.0/16"),
                                  ("-6", f"fd00:255:{number}::2", f"fd00:{number}::/32")):
            inside(f"ip {family} neigh replace {peer} lladdr 02:00:00:00:00:0{number} dev {inner} nud permanent")
            inside(f"ip {family} route add {net} via {peer} dev {inner}")
    settings = {
        "net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1,
        "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.left.rp_filter": 0, "net.ipv4.conf.right.rp_filter": 0,
        # The packets have none.
        "net.netfilter.nf_conntrack_checksum": 0,
        "net.netfilter.nf_conntrack_tcp_loose": int(MODE in ("loose", "drop", "timeouts")),
        "net.netfilter.nf_conntrack_tcp_be_liberal": int(MODE == "liberal"),
    }
    if MODE == "timeouts":
        settings |= {f"net.netfilter.nf_conntrack_tcp_timeout_{name}": value for name, value in TIMEOUTS.items()}
        settings |= {"net.netfilter.nf_conntrack_udp_timeout": 2, "net.netfilter.nf_conntrack_udp_timeout_stream": 4,
                     "net.netfilter.nf_conntrack_icmp_timeout": 3, "net.netfilter.nf_conntrack_icmpv6_timeout": 3}
    inside("sysctl -qw " + " ".join(f"{name}={value}" for name, value in settings.items()))
    rules = ["table inet states {", "chain forwarded {", "type filter hook forward priority 0;"]
    if MODE == "drop":
        rules += ["ct state invalid drop", "ct state new meta l4proto tcp tcp flags & (fin|syn|rst|ack) != syn drop"]
    rules += [f"ct state {state} {family} dscp set {code}"
              for family in ("ip", "ip6") for state, code in STATES.items()]
    inside("nft -f -", "\n".join(rules + ["}", "}", ""]))


def remove():
    run(f"ip netns del {NAMESPACE}", check=False)
    for port in PORTS:
        run(f"ip link del {port}", check=False)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(side, number):
    if V6:
        return socket.inet_pton(socket.AF_INET6, f"fd00:{side + 1}::{number >> 8:x}:{number & 255:x}")
    return bytes([10, side + 1, number >> 8 & 255, number & 255])


def ip_packet(source, destination, protocol, identification, payload):
    if V6:
        head = struct.pack("!IHBB", 0x60000000 | identification, len(payload), protocol, 64)
        return head + source + destination + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), identification, 0x4000, 64, protocol, 0)
    head += source + destination
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp_options(syn, acknowledged):
    chance, options = RANDOM.random, b""
    if syn:
        if chance() < 0.7:
            options += b"\2\4\5\xb4"
        if chance() < 0.6:
            options += b"\1\3\3" + bytes([RANDOM.choice([0, 1, 2, 7, 7, 9, 14, 15, 200])])
        if chance() < 0.6:
            options += b"\1\1\4\2"
        if chance() < 0.1:
            options += b"\0\0\0\0"
        if chance() < 0.05:
            options = options[:-1] + b"\3"
    else:
        which = chance()
        if which < 0.3:
            options = b"\1\1\10\12" + struct.pack("!II", 5, 6)
        elif which < 0.5:
            left = acknowledged + RANDOM.choice([0, 100, 1460, 3000, 70000, -500]) & MASK
            block = struct.pack("!II", left, left + RANDOM.choice([100, 1460, 5000]) & MASK)
            if chance() < 0.3:
                options = b"\1\1\5\22" + block + struct.pack("!II", left + 7000 & MASK, left + 8000 & MASK)
            else:
                options = b"\1\1\5\12" + block
        elif which < 0.55:
            options = b"\5\12\0\0"
        elif which < 0.6:
            options = b"\1\1\1\1"
    return options + b"\1" * (-len(options) % 4)


class Connection:
    """Two ends that speak something like TCP: (end, flags, sequence, acknowledgement, window, length, options)."""

    def __init__(self, number):
        self.number = number
        self.ports = (1024 + RANDOM.randrange(60000), RANDOM.choice([80, 443, 5000 + RANDOM.randrange(100)]))
        self.first = RANDOM.randrange(2)
        self.begin = [RANDOM.choice([RANDOM.getrandbits(32), 0xFFFFFF00, 0, 1]) for _ in range(2)]
        self.next = list(self.begin)
        self.windows = [RANDOM.choice([65535, 64240, 1000, 100, 29200]) for _ in range(2)]
        self.script = []
        self.loss = RANDOM.choice([0, 0, 0.05, 0.2])
        self.tell()

    def segment(self, end, flags, length=0, seq=None, ack=None, window=None):
        seq = self.next[end] if seq is None else seq
        if flags & ACK:
            ack = self.next[1 - end] if ack is None else ack
        else:
            ack = RANDOM.choice([0, 0, self.next[1 - end]])
        window = self.windows[end] if window is None else window
        return (end, flags, seq & MASK, ack & MASK, window, length, tcp_options(flags & SYN, ack))

    def add(self, segment, certain=False):
        """The end has sent it; it may be lost on its way to the router."""
        end = segment[2] + segment[5] + bool(segment[1] & SYN) + bool(segment[1] & FIN) & MASK
        if (end - self.next[segment[0]] & MASK) < 1 << 31:
            self.next[segment[0]] = end
        if certain or RANDOM.random() >= self.loss:
            self.script.append(segment)

    def tell(self):
        chance, choice = RANDOM.random, RANDOM.choice
        if chance() < 0.85:
            self.handshake()
        for _ in range(RANDOM.randrange(14)):
            end, what = RANDOM.randrange(2), chance()
            if what < 0.35:
                self.add(self.segment(end, ACK | choice([0, PSH, PSH, URG, ECE]), choice([1, 100, 1000, 1400])))
            elif what < 0.60:
                self.add(self.segment(end, ACK, window=choice([None, None, 0, 10, 65535])))
            elif what < 0.66:
                self.add(self.segment(end, ACK | FIN | choice([0, PSH, URG]), choice([0, 0, 100])))
            elif what < 0.70:
                near = [self.next[end] + by for by in (-1, 1, 500, -70000)]
                self.add(self.segment(end, RST | choice([0, ACK]), seq=choice([None, 0] + near)), True)
            elif what < 0.74:
                seq = choice([self.next[end], self.begin[end], self.next[end] + 100000, RANDOM.getrandbits(32)])
                self.add(self.segment(end, SYN, seq=seq), True)
            elif what < 0.78:
                seq = choice([self.next[end], self.begin[end], RANDOM.getrandbits(32)])
                self.add(self.segment(end, SYN | ACK, seq=seq, ack=choice([None, self.begin[1 - end] + 1])), True)
            elif what < 0.86 and self.script:
                self.script += [choice(self.script)] * choice([1, 1, 2, 4])
            elif what < 0.90:
                by = choice([-1, -1000, -65536, -70000, 1, 1000, 30000, 65535, 65536, 70000, 1 << 20, 1 << 31])
                self.script.append(self.segment(end, ACK, choice([0, 0, 1, 1400]), seq=self.next[end] + by))
            elif what < 0.94:
                by = choice([-1, -1000, -65999, -66000, -66001, -66002, -70000, 1, 2, 1000, 65536, 1 << 31])
                self.script.append(self.segment(end, ACK, choice([0, 0, 1]), ack=self.next[1 - end] + by))
            elif what < 0.96:
                self.script.append(self.segment(end, RANDOM.randrange(64)))
            elif what < 0.98:
                self.close_and_reopen(end)
            else:
                self.ask_in_the_middle()
        if chance() < 0.15:
            for at in range(1, len(self.script)):
                if chance() < 0.2:
                    self.script[at - 1 : at + 1] = self.script[at - 1 : at + 1][::-1]

    def handshake(self):
        chance, choice = RANDOM.random, RANDOM.choice
        for _ in range(choice([1, 1, 1, 2, 3])):
            self.add(self.segment(0, SYN, seq=self.begin[0]))
        if chance() < 0.06:
            self.add(self.segment(1, SYN, seq=self.begin[1]))
        if chance() < 0.06:
            self.add(self.segment(0, RST, seq=choice([0, self.next[0]])), True)
        which = chance()
        if which < 0.06:
            self.add(self.segment(1, RST | ACK, seq=0), True)
        if which > 0.95:
            # An answer that says "I know of another connection" (RFC 5961).
            self.add(self.segment(1, ACK, ack=RANDOM.getrandbits(32)), True)
            if which > 0.97:
                self.add(self.segment(0, RST, seq=self.script[-1][3]), True)
        for _ in range(choice([1, 1, 1, 2])):
            self.add(self.segment(1, SYN | ACK, seq=self.begin[1], ack=choice([self.next[0]] * 9 + [5])))
        if chance() < 0.9:
            self.add(self.segment(0, ACK))

    def close_and_reopen(self, end):
        for segment in (self.segment(end, ACK | FIN), self.segment(1 - end, ACK | FIN), self.segment(end, ACK)):
            self.add(segment)
        if RANDOM.random() < 0.7:
            self.next[0] = self.next[0] + RANDOM.choice([1, 100000]) & MASK
            end = RANDOM.randrange(2) if RANDOM.random() < 0.2 else 0
            self.add(self.segment(end, SYN), True)
            self.add(self.segment(1 - end, SYN | ACK), True)
            self.add(self.segment(end, ACK), True)

    def ask_in_the_middle(self):
        self.next[0] = RANDOM.getrandbits(32)
        self.add(self.segment(0, SYN), True)
        which = RANDOM.random()
        if which < 0.5:
            self.next[1] = RANDOM.getrandbits(32)
            self.add(self.segment(1, SYN | ACK), True)
            self.add(self.segment(0, ACK), True)
        elif which < 0.8:
            self.add(self.segment(1, ACK, ack=RANDOM.getrandbits(32)), True)
            self.add(self.segment(0, RST), True)
        else:
            self.add(self.segment(1, RST | ACK, seq=RANDOM.choice([0, None])), True)

    def packet(self, segment, identification):
        end, flags, seq, ack, window, length, options = segment
        header_len = 5 + len(options) // 4
        if RANDOM.random() < 0.003:
            header_len = RANDOM.choice([0, 4, 15])
        header = struct.pack("!HHIIBBHHH", self.ports[end], self.ports[1 - end], seq, ack, header_len << 4, flags,
                             window, 0, 0)
        sides = (self.first, 1 - self.first)
        ends = [address(side, self.number) for side in sides]
        payload = header + options + b"x" * length
        return sides[end], ip_packet(ends[end], ends[1 - end], 6, identification, payload)


class Datagrams:
    """UDP, ICMP and other protocols between two ends, with errors about them."""

    def __init__(self, number):
        self.number = number
        self.first = RANDOM.randrange(2)
        self.ports = (2000 + RANDOM.randrange(3), 53)
        kinds = ["udp", "udp", "echo", "reply", "error", "error", "other", "type"]
        self.script = [(RANDOM.choice(kinds), RANDOM.randrange(2)) for _ in range(RANDOM.randrange(1, 10))]
        self.sent = []

    def packet(self, what, identification):
        kind, end = what
        sides = (self.first, 1 - self.first)
        ends = [address(side, self.number) for side in sides]
        protocol = 58 if V6 else 1
        identifier = 7 + (RANDOM.random() < 0.1)
        code = int(RANDOM.random() < 0.05)
        if kind == "udp":
            length = RANDOM.choice([13] * 9 + [14])
            payload = struct.pack("!HHHH", self.ports[end], self.ports[1 - end], length, 0) + b"hello"
            protocol = 17
        elif kind in ("echo", "reply"):
            number = {"echo": 128 if V6 else 8, "reply": 129 if V6 else 0}[kind]
            payload = struct.pack("!BBHHH", number, code, 0, identifier, 1) + b"abc"
        elif kind == "other":
            payload, protocol = b"abcdefgh", RANDOM.choice([99, 50, 89])
        elif kind == "type":
            number = RANDOM.randrange(256)
            if V6 and number in (137, 139, 140):
                number = 200
            payload = struct.pack("!BBHHH", number, 0, 0, identifier, 1) + bytes(40)
        else:
            side, about = self.sender(sides, ends, end)
            about = about[: RANDOM.choice([28, 28, 200]) + (20 if V6 else 0)]
            number, code = (RANDOM.choice([1, 2, 3, 4]), 0) if V6 else (RANDOM.choice([3, 3, 11, 4, 12]), 1)
            payload = struct.pack("!BBHI", number, code, 0, 0) + about
            # Mostly told to the one who sent the packet.
            if side == sides[end] and RANDOM.random() < 0.8:
                end = 1 - end
        packet = ip_packet(ends[end], ends[1 - end], protocol, identification, payload)
        self.sent.append((sides[end], packet))
        return sides[end], packet

    def sender(self, sides, ends, end):
        """A packet that passed, or one that did not, and who sent it."""
        if self.sent and RANDOM.random() < 0.8:
            return RANDOM.choice(self.sent)
        payload = struct.pack("!HHHH", 999, 53, 13, 0) + b"hello"
        return sides[1 - end], ip_packet(ends[1 - end], ends[end], 17, 1, payload)


def read(ip):
    """Identification and DSCP of a packet that came out."""
    if V6:
        word = struct.unpack("!I", ip[:4])[0]
        return word & 0xFFFFF, word >> 22 & 63
    return struct.unpack("!H", ip[4:6])[0], ip[1] >> 2


def mark(frame, dscp):
    """The frame as it was sent, with the DSCP that it came out with."""
    frame = bytearray(frame)
    if V6:
        word = struct.unpack("!I", frame[14:18])[0]
        frame[14:18] = struct.pack("!I", word & ~(63 << 22) | dscp << 22)
    else:
        frame[15] = dscp << 2
        frame[24:26] = b"\0\0"
        frame[24:26] = struct.pack("!H", checksum(bytes(frame[14:34])))
    return bytes(frame)


def kept(frame):
    """Bytes of a frame that tell something: of data, one is enough."""
    start = 54 if V6 else 34
    if frame[20 if V6 else 23] == 6:
        return start + max(frame[start + 12] >> 4, 5) * 4 + 1
    return len(frame)


def receive(sockets, expected):
    """What came out, by identification."""
    found = {}
    end = time.monotonic() + 0.2
    while len(found) < expected and time.monotonic() < end:
        for port in sockets:
            try:
                frame, sender = port.recvfrom(2000)
            except BlockingIOError:
                continue
            if sender[2] != socket.PACKET_OUTGOING and frame[12:14] == ETHERTYPE:
                identification, dscp = read(frame[14:])
                if 0 < identification <= expected:
                    found[identification] = dscp
    return found


def send(batch, sockets, macs, out):
    sent = []
    for identification, (sequence, what) in enumerate(batch, 1):
        side, packet = sequence.packet(what, identification)
        frame = macs[side] + bytes([2, 0, 0, 0, 0, side + 1]) + ETHERTYPE + packet
        sent.append((time.clock_gettime_ns(time.CLOCK_REALTIME), identification, frame))
        sockets[side].send(frame)
    found = receive(sockets, len(sent))
    for when, identification, frame in sent:
        frame = mark(frame, found.get(identification, 0))
        part = frame[: kept(frame)]
        out.write(struct.pack("<IIII", when // 10**9, when % 10**9, len(part), len(frame)) + part)
    return len(sent)


def main():
    # What one processor sends, it forwards in order.
    os.sched_setaffinity(0, {0})
    sequences = [(Connection if RANDOM.random() < 0.85 else Datagrams)(number) for number in range(SEQUENCES)]
    try:
        build()
        macs = [bytes.fromhex(inside(f"cat /sys/class/net/{name}/address").strip().replace(":", ""))
                for name in ("left", "right")]
        sockets = []
        for port in PORTS:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            raw.bind((port, 0))
            raw.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
            raw.setblocking(False)
            sockets.append(raw)
        packets = 0
        with gzip.GzipFile(OUT, "wb", mtime=0) as out:
            out.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
            if MODE == "timeouts":
                for step in range(max(len(sequence.script) for sequence in sequences)):
                    batch = [(s, s.script[step]) for s in sequences if step < len(s.script)]
                    for at in range(0, len(batch), 500):
                        packets += send(batch[at : at + 500], sockets, macs, out)
                    time.sleep(RANDOM.choice(PAUSES))
            else:
                batch = []
                for sequence in sequences:
                    batch += [(sequence, what) for what in sequence.script]
                    if len(batch) > 400:
                        packets += send(batch, sockets, macs, out)
                        batch = []
                packets += send(batch, sockets, macs, out)
        print(f"{KIND}, seed {SEED}: {len(sequences)} sequences, {packets} packets")
    finally:
        remove()


main()
