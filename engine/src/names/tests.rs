use proptest::prelude::*;

use super::Names;

fn read(text: &str) -> (Names, Vec<String>) {
    let mut names = Names::default();
    let problems = names.read(text);
    let told = problems.told.iter().map(ToString::to_string).collect();
    (names, told)
}

/// `address=name host/port group/site`.
fn known(names: &Names) -> Vec<String> {
    let one = |(address, name): (std::net::IpAddr, &str)| {
        let machine = names.machine(address).unwrap();
        let details = [&machine.host, &machine.port_group, &machine.site];
        let details = details.map(|detail| detail.as_deref().unwrap_or("-"));
        format!("{address}={name} {}", details.join("/"))
    };
    names.iter().map(one).collect()
}

/// The tab `vNetwork` of `RVTools`, shortened.
const VNETWORK: &str = "\
VM,Powerstate,Template,SRM Placeholder,NIC label,Adapter,Network,Switch,Connected,Starts Connected,Mac Address,Type,IPv4 Address,\
IPv6 Address,Direct Path IO,Internal Sort Column,Annotation,Datacenter,Cluster,Host,Folder
web01,poweredOn,False,False,Network adapter 1,Vmxnet3,app-vlan12,dvs1,True,True,00:50:56:ab:cd:01,assigned,10.20.0.50,\
fe80::250:56ff:feab:cd01,False,a,\"note, with comma\",DC2,c1,esx-07.example.net,web
web01,poweredOn,False,False,Network adapter 2,Vmxnet3,backup,dvs1,True,True,00:50:56:ab:cd:02,assigned,\"10.30.0.50, 10.30.0.51\",\
,False,a,,DC2,c1,esx-07.example.net,web
off01,poweredOff,False,False,Network adapter 1,Vmxnet3,app-vlan12,dvs1,False,True,,assigned,,,False,a,,DC2,c1,esx-07.example.net,web
";

#[test]
fn rvtools_vnetwork_names_each_adapter() {
    let (names, told) = read(VNETWORK);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(
        known(&names),
        [
            "10.20.0.50=web01 esx-07.example.net/app-vlan12/DC2",
            "10.30.0.50=web01 esx-07.example.net/backup/DC2",
            "10.30.0.51=web01 esx-07.example.net/backup/DC2",
        ]
    );
    assert_eq!(names.of_mac([0, 0x50, 0x56, 0xab, 0xcd, 2]), Some("web01"));
}

#[test]
fn rvtools_vinfo_in_the_form_of_its_own_tabs_is_known_too() {
    let text = "vInfoVMName;vInfoGuestHostName;vInfoPrimaryIPAddress;vInfoNetwork1;vInfoDataCenter;vInfoHost\n\
                db01;db01.example.net;2001:db8::50;db;DC1;esx-01\n";
    let (names, told) = read(text);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(known(&names), ["2001:db8::50=db01 esx-01/db/DC1"]);
}

#[test]
fn what_is_wrong_is_told_by_line_and_column_and_the_rest_is_used() {
    let text = "name,address,mac\n\
                web01,10.0.0.300,00:50:56:00:00:01\n\
                ,10.0.0.2,\n\
                web03,10.0.0.3,nonsense\n\
                web04,10.0.0.3,\n\
                WEB03,10.0.0.3,\n";
    let (names, told) = read(text);
    assert_eq!(
        told,
        [
            "line 2, column address: `10.0.0.300` is no address",
            "line 3, column name: no name",
            "line 4, column mac: `nonsense` is no MAC address",
            "line 5, column address: 10.0.0.3 is web04 here, and was web03 before, which stays",
        ]
    );
    assert_eq!(known(&names), ["10.0.0.3=web03 -/-/-"]);
    assert_eq!(names.of_mac([0, 0x50, 0x56, 0, 0, 1]), Some("web01"));
}

#[test]
fn a_table_without_names_is_refused_with_what_it_lacks() {
    let (names, told) = read("a,b,address\n1,2,10.0.0.1\n");
    assert!(names.is_empty());
    assert!(
        told[0].contains("its header has no column of names"),
        "{told:?}"
    );
}

/// As `govc vm.info -json` has it, shortened; the gateway and the DNS server are not the machine's.
const GOVC: &str = r#"{"virtualMachines":[{
  "self":{"type":"VirtualMachine","value":"vm-42"},
  "name":"web01",
  "config":{"name":"web01","hardware":{"device":[
    {"key":4000,"deviceInfo":{"label":"Network adapter 1","summary":"VM Network"},"macAddress":"00:50:56:ab:cd:01"},
    {"key":4001,"deviceInfo":{"label":"Network adapter 2","summary":"DVSwitch: 50 1a"},"macAddress":"00:50:56:ab:cd:02"}]}},
  "runtime":{"host":{"type":"HostSystem","value":"host-12"},"powerState":"poweredOn"},
  "guest":{"hostName":"web01.example.net","ipAddress":"10.20.0.50",
    "net":[{"network":"app-vlan12","ipAddress":["10.20.0.50","fe80::1"],"macAddress":"00:50:56:ab:cd:01",
            "dnsConfig":{"ipAddress":["10.0.0.53"]}}],
    "ipStack":[{"dnsConfig":{"ipAddress":["10.0.0.53"]},
                "ipRouteConfig":{"ipRoute":[{"network":"0.0.0.0","gateway":{"ipAddress":"10.20.0.1"}}]}}]}}]}"#;

#[test]
fn govc_names_machines_and_not_their_gateways() {
    let (names, told) = read(GOVC);
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(known(&names), ["10.20.0.50=web01 host-12/app-vlan12/-"]);
    assert_eq!(names.of_mac([0, 0x50, 0x56, 0xab, 0xcd, 2]), Some("web01"));
    // Releases before 0.30.
    let old = GOVC
        .replace("\"virtualMachines\"", "\"VirtualMachines\"")
        .replace("\"guest\"", "\"Guest\"")
        .replace("\"ipAddress\"", "\"IpAddress\"")
        .replace("\"name\"", "\"Name\"");
    assert_eq!(read(&old).0.of([10, 20, 0, 50].into()), Some("web01"));
    let listed = format!(
        r#"{{"elements":[{{"path":"/DC2/vm/web/web01","object":{}}}]}}"#,
        GOVC.trim_start_matches(r#"{"virtualMachines":["#)
            .trim_end_matches("]}")
    );
    assert_eq!(
        known(&read(&listed).0),
        ["10.20.0.50=web01 host-12/app-vlan12/DC2"]
    );
}

#[test]
fn paths_alone_name_nothing() {
    let (names, told) = read(r#"["/DC1/vm/web01","/DC1/vm/web02"]"#);
    assert!(names.is_empty());
    assert!(told[0].starts_with("line 1, column 1: nothing in it has an address"));
}

#[test]
fn own_lists_in_json_are_read_in_their_usual_forms() {
    let list = r#"[{"name":"web01","address":["10.0.0.1","10.0.0.2"],"host":"esx-1"},
                   {"name":"web02","mac":"0050.5600.0002","address":"oops","site":"dc1"}]"#;
    let (names, told) = read(list);
    assert_eq!(told, ["line 2, column 69: `oops` is no address"]);
    assert_eq!(
        known(&names),
        ["10.0.0.1=web01 esx-1/-/-", "10.0.0.2=web01 esx-1/-/-"]
    );
    assert_eq!(names.of_mac([0, 0x50, 0x56, 0, 0, 2]), Some("web02"));
    let maps = r#"{"10.0.0.1":"web01","10.0.0.2":{"name":"web02"},"web03":{"ip":"10.0.0.3"}}"#;
    let (names, told) = read(maps);
    assert_eq!(told, Vec::<String>::new());
    let names: Vec<_> = names.iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["web01", "web02", "web03"]);
}

#[test]
fn adapters_of_vm_tracer_have_the_name_of_their_machine() {
    let json = r#"{"vms":[{"vmName":"web01","host":"esx-07","vnics":[
        {"name":"Network adapter 1","macAddr":"00:50:56:ab:cd:01","portgroup":"app-vlan12"}]}]}"#;
    let table = "VM Name     web01\nintf:       Et9\nvnic:       Network adapter 1\nmac:        00:50:56:ab:cd:01\n\
                 portgroup:  app-vlan12\nvlan:       12\nhost:       esx-07\n";
    for text in [json, table] {
        let (names, told) = read(text);
        assert_eq!(told, Vec::<String>::new());
        let machine = names
            .machine_of_mac([0, 0x50, 0x56, 0xab, 0xcd, 1])
            .unwrap();
        assert_eq!(&*machine.name, "web01", "{text}");
        assert_eq!(machine.host.as_deref(), Some("esx-07"));
        assert_eq!(machine.port_group.as_deref(), Some("app-vlan12"));
    }
}

#[test]
fn hosts_files_have_an_address_and_a_name_in_a_line() {
    let text = "# comment\n127.0.0.1 localhost\n10.0.0.1\tweb01 www # alias\n\n2001:db8::1 web6\nweb02 10.0.0.2\n10.0.0.9\n10.0.0.8/\u{1b}[2J\n";
    let (names, told) = read(text);
    let known: Vec<_> = names.iter().map(|(_, name)| name).collect();
    assert_eq!(known, ["web01", "web6"]);
    assert_eq!(
        told,
        [
            "line 6, column 1: neither an address nor a MAC address",
            "line 7, column 1: no name behind `10.0.0.9`",
            r"line 8, column 1: no name behind `10.0.0.8/\u{1b}[2J`",
        ]
    );
}

#[test]
fn names_are_printable_and_bounded() {
    let long = "x".repeat(5000);
    let (names, _) = read(&format!("10.0.0.1 \u{1b}[2J\u{202e}gpj\n10.0.0.2 {long}\n"));
    assert_eq!(
        names.of([10, 0, 0, 1].into()),
        Some(r"\u{1b}[2J\u{202e}gpj")
    );
    assert_eq!(names.of([10, 0, 0, 2].into()).map(str::len), Some(253));
}

#[test]
fn sentences_have_the_name_behind_the_address() {
    let (names, _) = read("10.20.0.50 web01\n2001:db8:: net6\n10.0.0.1 gw\n");
    let told = |text: &str| names.tell_in(text);
    assert_eq!(
        told("6 flows to 10.20.0.50 (TCP 80 and TCP 443): on 10.20.0.50 nothing"),
        "6 flows to 10.20.0.50 (web01; TCP 80 and TCP 443): on 10.20.0.50 nothing"
    );
    assert_eq!(
        told("10.20.0.50:443: silent"),
        "10.20.0.50:443 (web01): silent"
    );
    assert_eq!(
        told(
            "MAC 02:00:00:00:00:50 (10.0.0.1) by erspan2-101@10.0.0.1, and 2001:db8:: or 10.0.0.10."
        ),
        "MAC 02:00:00:00:00:50 (10.0.0.1, gw) by erspan2-101@10.0.0.1, and 2001:db8:: (net6) or 10.0.0.10."
    );
    assert_eq!(
        told("to [2001:db8::]:443, twice  blank"),
        "to [2001:db8::]:443 (net6), twice  blank"
    );
}

#[test]
fn of_many_problems_the_first_are_told() {
    let lines = "10.0.0.1 web\nnonsense\n".to_owned() + &"nonsense\n".repeat(1_000);
    let mut names = Names::default();
    let problems = names.read(&lines);
    assert_eq!((problems.told.len(), problems.more), (10, 991));
}

proptest! {
    #[test]
    fn any_text_is_read(text in r#"([\[\]{},:"; \t\n]|name|address|10\.0\.0\.[0-9]|VM Name|mac|guest|[a-z\u{1b}\u{e9}])*"#) {
        let (names, told) = read(&text);
        for (_, name) in names.iter() {
            prop_assert!(!name.chars().any(crate::point::acts));
        }
        for problem in told {
            prop_assert!(!problem.chars().any(crate::point::acts), "{problem:?}");
        }
    }
}
