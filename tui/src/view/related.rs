//! What belongs to what: the filters that lead from a finding or a name to flows.

use mirrorscope_engine::finding::{Finding, Kind};

/// A name as a filter takes it, whatever is in it.
pub fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    let sign = ["and", "or", "not"]
        .iter()
        .any(|sign| name.eq_ignore_ascii_case(sign));
    if !name.is_empty() && !sign && name.chars().all(plain) {
        name.to_owned()
    } else {
        // A quotation mark cannot be written inside of quotes; anything may stand there instead.
        format!("\"{}\"", name.replace('"', "*"))
    }
}

/// The filter that leads to the flows of a finding: exactly these, where all of them are known by name; else those of its
/// kind at its places.
pub fn flows_of(finding: &Finding) -> Option<String> {
    if finding.flows == 0 {
        return None;
    }
    if finding.flows == finding.examples.len() as u64 {
        return Some(format!("id {}", finding.examples.join(",")));
    }
    let points: Vec<String> = finding.points.iter().map(|name| quoted(name)).collect();
    let here = match points.first() {
        Some(first) => format!("point {first} and "),
        None => String::new(),
    };
    let anywhere = if points.is_empty() {
        String::new()
    } else {
        format!("point {} and ", points.join(","))
    };
    let filter = match finding.kind {
        Kind::AsymmetricPath => format!("{anywhere}asymmetric"),
        Kind::FirewallOutOfState => format!("{here}out-of-state > 0"),
        Kind::IncompleteHandshake | Kind::IncompleteClose | Kind::InconsistentSequence => {
            format!("{here}tcp and (asymmetric or moved)")
        }
        Kind::OneWay => format!("{anywhere}one-way"),
        Kind::PathMoved => format!("{anywhere}moved"),
        Kind::Unanswered | Kind::Scan => format!("{anywhere}unanswered"),
        _ if !finding.examples.is_empty() => format!("id {}", finding.examples.join(",")),
        _ => return None,
    };
    Some(filter)
}

/// A finding in one line.
pub fn headline(finding: &Finding) -> String {
    match &finding.story {
        Some(story) => story.headline.clone(),
        None => first_sentence(&finding.summary).to_owned(),
    }
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use mirrorscope_engine::filter::Filter;

    use super::*;

    #[test]
    fn names_of_any_kind_make_filters_that_can_be_read() {
        for name in ["erspan2-101@10.60.0.1", "a b", "x\"y", "", "和", "(", "or"] {
            let filter = format!("session {}", quoted(name));
            assert!(Filter::parse(&filter).is_ok(), "{filter}");
        }
    }
}
