//! The network: two sites with a stretched layer 2, a router with a stateful firewall in each, and mirrors of it all.
//!
//! ```text
//!            user ── wan ─┬─ r1 ── br-dc1 ── host1 ── vm        r1, r2: stateful firewalls, both of them the gateway
//!                         │          ║  └─ db                   br-…: Open vSwitch, ERSPAN II and III
//!                         │          ║ DCI                      host…: hypervisors, kernel VXLAN
//!                         └─ r2 ── br-dc2 ── host2  (vm)        mirrors ── mir ── col, the collector
//!                                       └─ app, shop
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::firewall::{self, Policy};
use crate::frames;
use crate::machine::{Machine, cable, mac_text};
use crate::switch::Switch;
use crate::truth::Firewall;

/// One of the two data centres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Dc1,
    Dc2,
}

impl Site {
    pub const BOTH: [Self; 2] = [Self::Dc1, Self::Dc2];

    /// Its number in names of machines, devices and sessions.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// As the sites file names it.
    pub fn name(self) -> &'static str {
        ["dc1", "dc2"][self as usize]
    }

    /// Where its switch sends its mirrors from.
    pub fn mirror_source(self) -> &'static str {
        ["10.60.0.1", "10.60.0.3"][self as usize]
    }
}

/// What the mirror of a firewall's port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    Both,
    /// Only what goes towards the firewall.
    TowardsFirewall,
}

/// What a scenario wants of the network before anything happens.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says what it is, and none excludes another"
)]
pub struct Plan {
    /// Where the virtual machine runs at first.
    pub vm: Site,
    /// The machine and the shop keep the gateway of dc1, as after a move until the ARP entry is renewed.
    pub stale_gateway: bool,
    /// What both firewalls do with what is out of state.
    pub policy: Policy,
    pub ipv6: bool,
    /// Rules of r1 for packets from the inside, in front of all others.
    pub reject: &'static str,
    /// A table for address translation in r1.
    pub nat: &'static str,
    /// Largest packet that passes the interconnect.
    pub dci_mtu: u32,
    /// Sites that are mirrored.
    pub mirrored: &'static [Site],
    pub fw1_carries: Carries,
    /// Every packet is mirrored twice.
    pub twice: bool,
    /// Mirror the port of the WAN towards r1 as well.
    pub uplink: bool,
    /// Of a thousand mirrored packets, how many never reach the collector.
    pub loss_per_mille: u32,
    /// Bytes of each packet that the switches mirror; 0 for all.
    pub mirrored_length: u32,
    /// More options of mirrorscope.
    pub options: &'static [&'static str],
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            vm: Site::Dc1,
            stale_gateway: false,
            policy: Policy::Strict,
            ipv6: false,
            reject: "",
            nat: "",
            dci_mtu: 1500,
            mirrored: &Site::BOTH,
            fw1_carries: Carries::Both,
            twice: false,
            uplink: false,
            loss_per_mille: 0,
            mirrored_length: 0,
            options: &[],
        }
    }
}

pub const COLLECTOR: &str = "10.60.0.9";
pub const GATEWAY: &str = "10.20.0.1";
pub const VM: &str = "10.20.0.50";
pub const DB: &str = "10.20.0.60";
pub const APP: &str = "10.20.0.70";
/// In a network of its own that both routers serve.
pub const SHOP: &str = "10.30.0.70";
const SHOP_GATEWAY: &str = "10.30.0.1";
pub const USERS: [&str; 4] = ["10.9.0.10", "10.9.0.11", "10.9.0.12", "10.9.0.13"];
pub const USER6: &str = "2001:db8:9::10";
pub const VM6: &str = "2001:db8:20::50";

pub const VM_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x50];
pub const DB_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x60];
const APP_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x70];
const SHOP_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x73];
const ROUTER_MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 1, 0x11], [2, 0, 0, 0, 2, 0x22]];

/// Packets larger than anything mirrored: encapsulation must never make one too big for the path to the collector.
const MIRROR_MTU: u32 = 9000;

/// The machines, wired.
pub struct Network {
    pub plan: Plan,
    pub user: Machine,
    pub wan: Machine,
    pub routers: [Machine; 2],
    pub hosts: [Machine; 2],
    pub vm: Machine,
    pub db: Machine,
    pub app: Machine,
    pub shop: Machine,
    pub collector: Machine,
    switches: Machine,
    mirrors: Machine,
    switch: Switch,
    /// Where the virtual machine runs now.
    vm_at: Site,
    /// Machines that a scenario adds.
    guests: Vec<Machine>,
    /// What sends mirrored packets, with its session id or VNI.
    senders: Vec<(usize, Sender)>,
}

/// What sends mirrored packets, and counts them.
enum Sender {
    /// A mirror of Open vSwitch.
    Mirror(String),
    /// A tunnel device of the kernel.
    Device { machine: Machine, device: String },
}

impl Network {
    /// Builds it. `machine` gives machines by their short names.
    pub fn build(plan: &Plan, folder: &Path, machine: &mut impl FnMut(&str) -> Machine) -> Self {
        let switches = machine("ovs");
        let mirrors = machine("mir");
        let collector = machine("col");
        mirrors.ip("link add br0 type bridge mcast_snooping 0");
        mirrors.ip(&format!("link set br0 mtu {MIRROR_MTU} up"));
        cable((&switches, "phy"), (&mirrors, "phy"), MIRROR_MTU);
        cable((&collector, "eth0"), (&mirrors, "col"), MIRROR_MTU);
        for port in ["phy", "col"] {
            mirrors.ip(&format!("link set {port} master br0"));
        }
        collector.ip(&format!("addr add {COLLECTOR}/24 dev eth0"));
        // A collector that nobody listens on answers mirrored packets by ICMP unreachable.
        collector.nft(
            "table ip quiet {\n counter unreachable { }\n chain output {\n \
             type filter hook output priority 0\n \
             icmp type destination-unreachable counter name unreachable\n }\n}\n",
        );
        let switch = Switch::start(&switches, folder.join("ovs"));
        let mut network = Self {
            plan: plan.clone(),
            user: machine("user"),
            wan: machine("wan"),
            routers: [machine("r1"), machine("r2")],
            hosts: [machine("host1"), machine("host2")],
            vm: machine("vm"),
            db: machine("db"),
            app: machine("app"),
            shop: machine("shop"),
            collector,
            switches,
            mirrors,
            switch,
            vm_at: plan.vm,
            guests: Vec::new(),
            senders: Vec::new(),
        };
        network.underlay();
        network.wan();
        network.sites();
        network.machines();
        if plan.ipv6 {
            network.ipv6();
        }
        network.mirrors();
        network.warm_up();
        network
    }

    /// The way of mirrored packets from the switches to the collector.
    fn underlay(&self) {
        self.switch.configure(
            "add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy phy \
             -- set interface br-phy mtu_request=9000",
        );
        for site in Site::BOTH {
            let address = site.mirror_source();
            self.switches
                .ip(&format!("addr add {address}/24 dev br-phy"));
        }
        self.switches.ip("link set br-phy up");
        // The first packets of a mirror must not wait for ARP.
        let mac = mac_text(self.collector.mac("eth0"));
        self.switch
            .ask(&format!("tnl/neigh/set br-phy {COLLECTOR} {mac}"));
        self.lose(self.plan.loss_per_mille);
    }

    /// Drops mirrored packets at random on their way to the collector.
    fn lose(&self, per_mille: u32) {
        self.mirrors.nft(&format!(
            "table bridge mirror {{\n counter lost {{ }}\n counter passed {{ }}\n chain forward {{\n \
             type filter hook forward priority 0\n oifname != \"col\" accept\n \
             ip protocol {{ gre, udp }} numgen random mod 1000 < {per_mille} counter name lost drop\n \
             ip protocol {{ gre, udp }} counter name passed\n }}\n}}\n"
        ));
    }

    /// Mirrored packets that were lost on the way to the collector, and that were not.
    pub fn mirrored(&self) -> (u64, u64) {
        let counters = firewall::counters(&self.mirrors, "bridge", "mirror");
        (counters["lost"], counters["passed"])
    }

    /// Mirrored packets on their last bit of way to the collector, by session id or VNI, as the kernel counts them there.
    pub fn passed(&self) -> BTreeMap<String, u64> {
        let counters = firewall::counters(&self.mirrors, "bridge", "mirror");
        let counters = counters.into_iter();
        counters
            .filter_map(|(name, packets)| Some((name.strip_prefix("session")?.to_owned(), packets)))
            .collect()
    }

    /// Mirrored packets that the senders themselves counted, likewise. Open vSwitch tells it every five seconds only.
    pub fn sent(&self) -> BTreeMap<String, u64> {
        let mut sent = BTreeMap::new();
        for (session, sender) in &self.senders {
            let packets = match sender {
                Sender::Mirror(mirror) => self.switch.mirrored(mirror),
                Sender::Device { machine, device } => machine.sent(device),
            };
            *sent.entry(session.to_string()).or_default() += packets;
        }
        sent
    }

    /// ICMP unreachable messages that the collector sent.
    pub fn unreachable(&self) -> u64 {
        firewall::counters(&self.collector, "ip", "quiet")["unreachable"]
    }

    /// Users, the WAN, and the routers' outsides.
    fn wan(&self) {
        let Self {
            user, wan, routers, ..
        } = self;
        cable((user, "eth0"), (wan, "user"), 1500);
        for address in USERS {
            user.ip(&format!("addr add {address}/24 dev eth0"));
        }
        wan.ip("addr add 10.9.0.1/24 dev user");
        user.ip("route add default via 10.9.0.1");
        for (router, site) in routers.iter().zip(Site::BOTH) {
            let number = site.number();
            let port = format!("r{number}");
            cable((router, "out"), (wan, &port), 1500);
            wan.ip(&format!("addr add 10.0.{number}.1/30 dev {port}"));
            router.ip(&format!("addr add 10.0.{number}.2/30 dev out"));
            router.ip(&format!("route add 10.9.0.0/24 via 10.0.{number}.1"));
        }
        for router in [wan, &routers[0], &routers[1]] {
            for (name, value) in [
                ("ip_forward", "1"),
                ("conf/all/rp_filter", "0"),
                ("conf/default/rp_filter", "0"),
                ("conf/all/send_redirects", "0"),
                ("conf/default/send_redirects", "0"),
            ] {
                router.set(&format!("net/ipv4/{name}"), value);
            }
        }
        // All enters at dc1, but for what lives at dc2 alone.
        self.route("10.20.0.0/24", Site::Dc1);
        self.route("10.30.0.0/24", Site::Dc2);
        self.route(&format!("{APP}/32"), Site::Dc2);
    }

    /// Lets the WAN send packets for a prefix to a site.
    pub fn route(&self, prefix: &str, site: Site) {
        let number = site.number();
        self.wan
            .ip(&format!("route replace {prefix} via 10.0.{number}.2"));
    }

    /// The switches, the interconnect, and the routers' insides.
    fn sites(&self) {
        let mtu = self.plan.dci_mtu;
        cable((&self.switches, "dci1"), (&self.switches, "dci2"), mtu);
        for (router, site) in self.routers.iter().zip(Site::BOTH) {
            let number = site.number();
            let firewall_port = format!("fw{number}");
            cable((router, "in"), (&self.switches, &firewall_port), 1500);
            let mac = mac_text(ROUTER_MACS[site as usize]);
            router.ip(&format!("link set in address {mac}"));
            router.set("net/ipv4/conf/in/send_redirects", "0");
            router.ip(&format!("addr add {GATEWAY}/24 dev in"));
            router.ip(&format!("addr add {SHOP_GATEWAY}/24 dev in"));
            // As a control plane would know them: a router does not ask across the interconnect in the gateway's name.
            for (address, mac) in [(VM, VM_MAC), (DB, DB_MAC), (APP, APP_MAC), (SHOP, SHOP_MAC)] {
                let mac = mac_text(mac);
                router.ip(&format!(
                    "neigh replace {address} lladdr {mac} dev in nud permanent"
                ));
            }
            firewall::install(router, self.plan.policy);
            let dci = format!("dci{number}");
            self.switch.configure(&format!(
                "add-br br-dc{number} -- set bridge br-dc{number} datapath_type=netdev \
                 -- add-port br-dc{number} {firewall_port} -- add-port br-dc{number} {dci}"
            ));
            for rule in self.localisation(site) {
                self.switch
                    .rule(&format!("br-dc{number}"), &format!("{rule},actions=drop"));
            }
        }
        if !self.plan.reject.is_empty() {
            self.routers[0].nft(self.plan.reject);
        }
        if !self.plan.nat.is_empty() {
            self.routers[0].nft(self.plan.nat);
        }
    }

    /// Each site finds its own gateway: what would resolve the gateway across the interconnect.
    fn localisation(&self, site: Site) -> Vec<String> {
        let number = site.number();
        let port = format!("priority=100,in_port=dci{number}");
        let mut rules = Vec::new();
        for gateway in [GATEWAY, SHOP_GATEWAY] {
            rules.push(format!("{port},arp,arp_tpa={gateway}"));
            rules.push(format!("{port},arp,arp_spa={gateway}"));
        }
        if self.plan.ipv6 {
            rules.push(format!(
                "{port},icmp6,icmp_type=135,nd_target=2001:db8:20::1"
            ));
            rules.push(format!(
                "{port},icmp6,icmp_type=136,nd_target=2001:db8:20::1"
            ));
        }
        rules
    }

    /// Lets the gateway's address be resolved across the interconnect.
    pub fn give_up_localisation(&self) {
        for site in Site::BOTH {
            let bridge = format!("br-dc{}", site.number());
            for rule in self.localisation(site) {
                let rule = rule.trim_start_matches("priority=100,");
                self.switch.remove_rules(&bridge, rule);
            }
        }
    }

    /// Hypervisors and the machines at each site.
    fn machines(&self) {
        for (host, site) in self.hosts.iter().zip(Site::BOTH) {
            let number = site.number();
            let port = format!("host{number}");
            cable((host, "uplink"), (&self.switches, &port), 1500);
            host.ip("link add br0 type bridge mcast_snooping 0");
            host.ip("link set uplink master br0");
            host.ip("link set br0 up");
            self.switch
                .configure(&format!("add-port br-dc{number} {port}"));
        }
        let host = &self.hosts[self.vm_at as usize];
        cable((&self.vm, "eth0"), (host, "vif"), 1500);
        host.ip("link set vif master br0");
        for (machine, port, site) in [
            (&self.db, "db", Site::Dc1),
            (&self.app, "app", Site::Dc2),
            (&self.shop, "shop", Site::Dc2),
        ] {
            cable((machine, "eth0"), (&self.switches, port), 1500);
            self.switch
                .configure(&format!("add-port br-dc{} {port}", site.number()));
        }
        for (machine, mac, address, gateway) in [
            (&self.vm, VM_MAC, VM, GATEWAY),
            (&self.db, DB_MAC, DB, GATEWAY),
            (&self.app, APP_MAC, APP, GATEWAY),
            (&self.shop, SHOP_MAC, SHOP, SHOP_GATEWAY),
        ] {
            machine.ip(&format!("link set eth0 address {}", mac_text(mac)));
            machine.ip(&format!("addr add {address}/24 dev eth0"));
            machine.ip(&format!("route add default via {gateway}"));
        }
        if self.plan.stale_gateway {
            let mac = mac_text(ROUTER_MACS[0]);
            for (machine, gateway) in [(&self.vm, GATEWAY), (&self.shop, SHOP_GATEWAY)] {
                machine.ip(&format!(
                    "neigh replace {gateway} lladdr {mac} dev eth0 nud permanent"
                ));
            }
        }
    }

    /// Plugs another machine into a site's switch, in a VLAN of its own where one is given.
    pub fn plug(
        &mut self,
        machine: Machine,
        site: Site,
        vlan: Option<u16>,
        mac: [u8; 6],
        address: &str,
    ) {
        let port = format!("guest{}", self.guests.len());
        cable((&machine, "eth0"), (&self.switches, &port), 1500);
        let tag = vlan.map_or(String::new(), |vlan| format!("tag={vlan}"));
        let number = site.number();
        self.switch
            .configure(&format!("add-port br-dc{number} {port} {tag}"));
        machine.ip(&format!("link set eth0 address {}", mac_text(mac)));
        machine.ip(&format!("addr add {address}/24 dev eth0"));
        machine.ip(&format!("route add default via {GATEWAY}"));
        machine.wait_for("eth0", true);
        frames::send(&machine, "eth0", &frames::rarp(mac), 2);
        self.guests.push(machine);
    }

    /// The same network for IPv6, with addresses that ask nobody whether they are taken.
    fn ipv6(&self) {
        let Self {
            user,
            wan,
            routers,
            vm,
            ..
        } = self;
        for machine in [user, wan, &routers[0], &routers[1], vm] {
            for name in ["all", "default"] {
                let conf = format!("net/ipv6/conf/{name}");
                machine.set(&format!("{conf}/accept_dad"), "0");
                machine.set(&format!("{conf}/accept_ra"), "0");
                machine.set(&format!("{conf}/router_solicitations"), "0");
            }
            machine.set("net/ipv6/conf/default/disable_ipv6", "0");
            machine.set("net/ipv6/conf/all/disable_ipv6", "0");
        }
        for router in [wan, &routers[0], &routers[1]] {
            router.set("net/ipv6/conf/all/forwarding", "1");
        }
        user.ip(&format!("addr add {USER6}/64 dev eth0 nodad"));
        wan.ip("addr add 2001:db8:9::1/64 dev user nodad");
        user.ip("route add default via 2001:db8:9::1");
        vm.ip(&format!("addr add {VM6}/64 dev eth0 nodad"));
        vm.ip("route add default via 2001:db8:20::1");
        for (router, site) in routers.iter().zip(Site::BOTH) {
            let number = site.number();
            wan.ip(&format!(
                "addr add 2001:db8:{number}::1/64 dev r{number} nodad"
            ));
            router.ip(&format!("addr add 2001:db8:{number}::2/64 dev out nodad"));
            router.ip(&format!(
                "route add 2001:db8:9::/64 via 2001:db8:{number}::1"
            ));
            router.ip("addr add 2001:db8:20::1/64 dev in nodad");
            let mac = mac_text(VM_MAC);
            router.ip(&format!(
                "neigh replace {VM6} lladdr {mac} dev in nud permanent"
            ));
        }
        wan.ip("route add 2001:db8:20::/64 via 2001:db8:1::2");
    }

    /// A session for each observation point.
    fn mirrors(&mut self) {
        for site in self.plan.mirrored {
            let number = site.number();
            let host = &self.hosts[*site as usize].clone();
            let address = ["10.60.0.11", "10.60.0.13"][*site as usize];
            self.management(host, &format!("h{number}"), address);
            self.vxlan(host, "vx", address, 5003 + number * 100);
            for (port, place) in [(format!("fw{number}"), 1), (format!("dci{number}"), 2)] {
                let session = number * 100 + place;
                if self.plan.mirrored_length > 0 {
                    self.vxlan(host, &format!("vx{session}"), address, 5000 + session);
                    self.cut(*site, session, &port);
                    continue;
                }
                self.erspan(*site, session, &port, "");
                if self.plan.twice {
                    // A second tunnel that differs in what it would receive, and sends the same session.
                    self.erspan(*site, session, &port, "b");
                }
            }
        }
        // Devices only: a packet that passes two of them is mirrored twice.
        if self.plan.mirrored.contains(&self.vm_at) {
            copy(&self.hosts[self.vm_at as usize], "vif", &BOTH_WAYS, "vx");
        }
        if self.plan.twice {
            for host in &self.hosts {
                copy(host, "uplink", &BOTH_WAYS, "vx");
            }
        }
        if self.plan.uplink {
            let wan = self.wan.clone();
            self.management(&wan, "wan", "10.60.0.5");
            self.vxlan(&wan, "vx", "10.60.0.5", 5104);
            copy(&wan, "r1", &BOTH_WAYS, "vx");
        }
    }

    /// A mirror of a port of a site's switch: type II at dc1, type III at dc2.
    fn erspan(&mut self, site: Site, session: usize, port: &str, copy: &str) {
        let number = site.number();
        let source = site.mirror_source();
        let format = match site {
            Site::Dc1 => "options:erspan_ver=1 options:erspan_idx=1",
            Site::Dc2 => "options:erspan_ver=2 options:erspan_dir=0 options:erspan_hwid=4",
        };
        let from_port = match (self.plan.fw1_carries, port) {
            (Carries::TowardsFirewall, "fw1") => "",
            _ => "select-src-port=@p",
        };
        let key = if copy.is_empty() {
            format!("options:key={session}")
        } else {
            format!("options:in_key=1{session} options:out_key={session}")
        };
        self.switch.configure(&format!(
            "add-port br-dc{number} e{session}{copy} -- set interface e{session}{copy} type=erspan \
             options:remote_ip={COLLECTOR} options:local_ip={source} {key} {format} \
             -- --id=@p get port {port} -- --id=@o get port e{session}{copy} \
             -- --id=@m create mirror name=m{session}{copy} {from_port} select-dst-port=@p output-port=@o \
             -- add bridge br-dc{number} mirrors @m"
        ));
        let mirror = Sender::Mirror(format!("m{session}{copy}"));
        self.send(session, "gre @th,86,10", mirror);
    }

    /// A mirror that cuts what it copies. This switch cannot send that by ERSPAN (it loses what it cut), so the copies go
    /// to a hypervisor, and from there by VXLAN.
    fn cut(&self, site: Site, session: usize, port: &str) {
        let host = &self.hosts[site as usize];
        let (bridge, copies) = (format!("br-dc{}", site.number()), format!("m{session}"));
        cable((&self.switches, &copies), (host, &copies), 1500);
        self.switch.configure(&format!(
            "add-port {bridge} {copies} -- --id=@p get port {port} -- --id=@o get port {copies} \
             -- --id=@m create mirror name=m{session} select-src-port=@p select-dst-port=@p output-port=@o \
             snaplen={} -- add bridge {bridge} mirrors @m",
            self.plan.mirrored_length
        ));
        copy(host, &copies, &["ingress"], &format!("vx{session}"));
    }

    /// Lets a machine reach the collector by itself.
    fn management(&self, machine: &Machine, port: &str, address: &str) {
        cable((machine, "mgmt"), (&self.mirrors, port), MIRROR_MTU);
        self.mirrors.ip(&format!("link set {port} master br0"));
        machine.ip(&format!("addr add {address}/24 dev mgmt"));
        machine.ip(&format!(
            "neigh replace {COLLECTOR} lladdr {} dev mgmt nud permanent",
            mac_text(self.collector.mac("eth0"))
        ));
    }

    /// The kernel's own way to send mirrors.
    fn vxlan(&mut self, machine: &Machine, device: &str, address: &str, segment: usize) {
        machine.ip(&format!(
            "link add {device} type vxlan id {segment} local {address} remote {COLLECTOR} dstport 4789 dev mgmt"
        ));
        machine.ip(&format!("link set {device} up"));
        let sender = Sender::Device {
            machine: machine.clone(),
            device: device.to_owned(),
        };
        self.send(segment, "udp @th,96,24", sender);
    }

    /// Counts what one more sender sends, also where nothing can be lost any more. `place` is that of the id: GRE with a
    /// sequence number has eight bytes, and an id of ten bits is in the next 32; of VXLAN it is behind 12 bytes.
    fn send(&mut self, session: usize, place: &str, sender: Sender) {
        let known = self.senders.iter().any(|(known, _)| *known == session);
        self.senders.push((session, sender));
        if !known {
            self.mirrors.nft(&format!(
                "add counter bridge mirror session{session}\n\
                 add rule bridge mirror forward ip protocol {place} {session} counter name session{session}\n"
            ));
        }
    }

    /// Lets all switches know where everyone is, as they would after a day: unknown stations are flooded.
    fn warm_up(&self) {
        let stations = [
            (&self.vm, "eth0", VM_MAC),
            (&self.db, "eth0", DB_MAC),
            (&self.app, "eth0", APP_MAC),
            (&self.shop, "eth0", SHOP_MAC),
            (&self.routers[0], "in", ROUTER_MACS[0]),
            (&self.routers[1], "in", ROUTER_MACS[1]),
        ];
        for host in &self.hosts {
            host.wait_for("uplink", true);
        }
        self.hosts[self.vm_at as usize].wait_for("vif", true);
        for (machine, interface, mac) in stations {
            machine.wait_for(interface, true);
            frames::send(machine, interface, &frames::rarp(mac), 2);
        }
        self.settle();
    }

    /// Moves the virtual machine to the other site while it runs: its port is unplugged here and plugged in there, and
    /// the new hypervisor announces it with three RARP frames. Whatever it knew of its neighbours it asks for anew.
    /// `meanwhile` happens while it is nowhere.
    pub fn migrate(&mut self, meanwhile: impl FnOnce(&Self)) {
        let (from, to) = match self.vm_at {
            Site::Dc1 => (Site::Dc1, Site::Dc2),
            Site::Dc2 => (Site::Dc2, Site::Dc1),
        };
        let (old, new) = (&self.hosts[from as usize], &self.hosts[to as usize]);
        let before = self.port_of(from, VM_MAC);
        old.ip(&format!("link set vif netns {}", new.name));
        self.vm.wait_for("eth0", false);
        meanwhile(self);
        new.run("ethtool -K vif tx off rx off tso off gso off gro off sg off");
        new.ip("link set vif master br0");
        if self.plan.mirrored.contains(&to) {
            copy(new, "vif", &BOTH_WAYS, "vx");
        }
        new.ip("link set vif up");
        new.wait_for("vif", true);
        self.vm.wait_for("eth0", true);
        self.vm.ip("neigh flush dev eth0");
        frames::send(&self.vm, "eth0", &frames::rarp(VM_MAC), 3);
        // Hypervisors go on for some seconds.
        let until = Instant::now() + Duration::from_secs(5);
        while self.port_of(from, VM_MAC) == before {
            assert!(
                Instant::now() < until,
                "no switch learns where the machine is"
            );
            std::thread::sleep(Duration::from_millis(50));
            frames::send(&self.vm, "eth0", &frames::rarp(VM_MAC), 1);
        }
        self.vm_at = to;
    }

    /// The port at which a site's switch knows a station.
    fn port_of(&self, site: Site, mac: [u8; 6]) -> Option<String> {
        let known = self.switch.ask(&format!("fdb/show br-dc{}", site.number()));
        // Port, VLAN, station and age, a station a line.
        let line = known.lines().find(|line| line.contains(&mac_text(mac)))?;
        line.split_whitespace().next().map(str::to_owned)
    }

    /// r1 fails; r2 takes over its traffic and its address, also for the machines of dc1.
    pub fn fail_over(&self) {
        self.switches.ip("link set fw1 down");
        self.wan.ip("link set r1 down");
        self.route("10.20.0.0/24", Site::Dc2);
        self.give_up_localisation();
        let announcement = frames::gratuitous(ROUTER_MACS[1], GATEWAY.parse().unwrap());
        frames::send(&self.routers[1], "in", &announcement, 3);
    }

    /// Stops all traffic at its ends, and waits until what is on the way has arrived.
    pub fn freeze(&self) {
        let Self {
            user,
            vm,
            db,
            app,
            shop,
            ..
        } = self;
        for machine in [user, vm, db, app, shop].into_iter().chain(&self.guests) {
            machine.ip("link set eth0 down");
        }
        self.settle();
    }

    /// Waits until no mirrored packet is on its way.
    fn settle(&self) {
        // Who speaks IPv6 has more to say for about a second.
        let silence = if self.plan.ipv6 { 1200 } else { 300 };
        let mut before = None;
        while before != Some(self.mirrored()) {
            before = Some(self.mirrored());
            std::thread::sleep(Duration::from_millis(silence));
        }
    }

    /// What the firewall of a site counted.
    pub fn firewall(&self, site: Site) -> Firewall {
        firewall::read(&self.routers[site as usize], self.plan.policy)
    }
}

const BOTH_WAYS: [&str; 2] = ["ingress", "egress"];

/// Sends copies of all that passes a device to another one.
fn copy(machine: &Machine, device: &str, ways: &[&str], to: &str) {
    machine.run(&format!("tc qdisc add dev {device} clsact"));
    for way in ways {
        machine.run(&format!(
            "tc filter add dev {device} {way} protocol all prio 1 u32 match u32 0 0 \
             action mirred egress mirror dev {to}"
        ));
    }
}
