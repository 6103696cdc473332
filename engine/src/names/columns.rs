//! What columns of inventories are called: `RVTools`, `PowerCLI`, VM tracer, and what people write by hand.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A name; the lower the number, the better one.
    Name(u8),
    /// Addresses.
    Address,
    /// MAC addresses.
    Mac,
    /// The host that the machine runs on.
    Host,
    /// Port group, network, VLAN by name.
    PortGroup,
    /// Site or data centre.
    Site,
}

/// By title, in lower case, letters and digits alone. Those that begin with `vinfo` and `vnetwork` are `RVTools`' own when it
/// exports a tab by itself.
const TITLES: &[(Column, &str)] = &[
    (
        Column::Name(0),
        "vm vmname virtualmachine vinfovmname vnetworkvmname",
    ),
    (Column::Name(1), "name machine displayname device endpoint"),
    (
        Column::Name(2),
        "hostname dnsname fqdn guesthostname vinfoguesthostname",
    ),
    (
        Column::Address,
        "address addresses ip ips ipaddress ipaddresses ipv4 ipv6 ipv4address ipv6address ip4address ip6address \
         primaryipaddress primaryip guestip guestipaddress vnetworkipaddress vnetworkip4address vnetworkip6address \
         vinfoprimaryipaddress",
    ),
    (
        Column::Mac,
        "mac macs macaddress macaddr hwaddr hwaddress ethernetaddress physicaladdress vnetworkmacaddress",
    ),
    (
        Column::Host,
        "host esxhost esxihost esxhostname hypervisor vmhost node vnetworkhost vinfohost",
    ),
    (
        Column::PortGroup,
        "portgroup portgroupname network networkname network1 networks dvportgroup segment vnetworknetwork vnetworkname \
         vinfonetwork1",
    ),
    (
        Column::Site,
        "site datacenter datacentre location vnetworkdatacenter vinfodatacenter",
    ),
];

/// What a column of this title holds, if that is of use.
pub(super) fn column(title: &str) -> Option<Column> {
    let plain = title.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = plain.take(40).map(|c| c.to_ascii_lowercase()).collect();
    let is_one = |titles: &str| titles.split(' ').any(|title| title == plain);
    let (column, _) = TITLES.iter().find(|(_, titles)| is_one(titles))?;
    Some(*column)
}
