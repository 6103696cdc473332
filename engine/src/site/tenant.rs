//! Tenants: networks with addresses of their own. One network has a different tag wherever it is seen: it is VLAN 12 inside
//! a host, VNI 5012 on the wire and GRE key 12 elsewhere.

use serde::Deserialize;

use crate::receive::Shown;
use crate::table::Map;

/// Marks scopes that are tenants.
const TENANT: u32 = 1 << 31;

/// One tenant, by all the tags of its networks. A packet that has one of them, or comes from one of the points, is the
/// tenant's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Unique name.
    pub name: String,
    /// VLAN ids.
    #[serde(default)]
    pub vlans: Vec<u16>,
    /// VNIs, GRE keys and whatever else names a network in an encapsulation.
    #[serde(default)]
    pub segments: Vec<u64>,
    /// Points all of whose packets are the tenant's, whatever tags they have.
    #[serde(default)]
    pub points: Vec<String>,
}

/// Which packets are whose.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    names: Vec<String>,
    vlans: Map<u16, u32>,
    segments: Map<u64, u32>,
    points: Map<String, u32>,
}

impl Tenants {
    /// The tenants of a sites file.
    pub fn new(tenants: &[Tenant]) -> Self {
        let mut all = Self::default();
        for (tenant, scope) in tenants.iter().zip(TENANT..) {
            all.names.push(tenant.name.clone());
            all.vlans.extend(tenant.vlans.iter().map(|id| (*id, scope)));
            all.segments
                .extend(tenant.segments.iter().map(|id| (*id, scope)));
            let points = tenant.points.iter();
            all.points.extend(points.map(|name| (name.clone(), scope)));
        }
        all
    }

    /// Describes tenants anew. One that keeps its name keeps its flows; one that is gone keeps those that it had.
    pub(crate) fn reload(&mut self, tenants: &[Tenant]) {
        let mut names = std::mem::take(&mut self.names);
        for tenant in tenants {
            if !names.contains(&tenant.name) {
                names.push(tenant.name.clone());
            }
        }
        let described = |name: &String| {
            let found = tenants.iter().find(|tenant| tenant.name == *name);
            found.cloned().unwrap_or_else(|| Tenant {
                name: name.clone(),
                ..Tenant::default()
            })
        };
        let all: Vec<Tenant> = names.iter().map(described).collect();
        *self = Self::new(&all);
    }

    /// The scope of the tenant that a packet belongs to. The point that it was seen at tells more than its tags, and the
    /// network that carried it more than a tag inside.
    #[inline]
    pub(crate) fn of(&self, packet: &Shown<'_>) -> Option<u32> {
        if self.names.is_empty() {
            return None;
        }
        self.look_up(packet)
    }

    #[inline(never)]
    fn look_up(&self, packet: &Shown<'_>) -> Option<u32> {
        let by_point = || self.points.get(&packet.place.name);
        let by_segment = || self.segments.get(&packet.segment?);
        let by_vlan = || self.vlans.get(&packet.vlan?);
        let by_point = (!self.points.is_empty()).then(by_point).flatten();
        by_point.or_else(by_segment).or_else(by_vlan).copied()
    }

    /// The tenant's name, if a scope is one.
    pub fn name(&self, scope: u32) -> Option<&str> {
        let index = scope.checked_sub(TENANT)?;
        self.names.get(index as usize).map(String::as_str)
    }
}

/// A scope that is no tenant's.
pub(crate) fn untenanted(scope: u32) -> u32 {
    scope & !TENANT
}
