//! What the interface writes beside what the user wrote: chosen columns, and filters for the next time.

use std::fs;
use std::io;
use std::path::Path;

use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{FILTERS, default_path, directory};
use crate::widget::table::Preference;

/// Filters that are kept.
const KEPT: usize = 100;

/// Writes the columns and the order of a table into the configuration of the user, and leaves all else there as it is. Tells
/// where that is.
pub fn save_table(name: &str, chosen: &Preference) -> io::Result<String> {
    let path = default_path().ok_or_else(|| io::Error::other("no home directory is known"))?;
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    replace(&path, &with_table(&before, name, chosen)?)?;
    Ok(path.display().to_string())
}

/// The text of a configuration with another part for a table.
pub(super) fn with_table(before: &str, name: &str, chosen: &Preference) -> io::Result<String> {
    let mut document: DocumentMut = before.parse().map_err(io::Error::other)?;
    let tables = document.entry("tables").or_insert_with(|| {
        let mut tables = Table::new();
        tables.set_implicit(true);
        Item::Table(tables)
    });
    let odd = || io::Error::other("[tables] is no part of the configuration file");
    let tables = tables.as_table_like_mut().ok_or_else(odd)?;
    let part = tables
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()));
    let part = part.as_table_like_mut().ok_or_else(odd)?;
    if let Some(columns) = &chosen.columns {
        part.insert("columns", value(columns.iter().collect::<Array>()));
    }
    if let Some(sort) = &chosen.sort {
        part.insert("sort", value(sort));
    }
    part.insert("descending", value(chosen.descending));
    Ok(document.to_string())
}

/// Keeps a filter for the next time, beside the configuration.
pub fn remember(filter: &str) -> io::Result<()> {
    let Some(directory) = directory() else {
        return Ok(());
    };
    let mut filters = remembered();
    filters.retain(|known| known != filter);
    filters.push(filter.replace(['\n', '\r'], " "));
    let surplus = filters.len().saturating_sub(KEPT);
    replace(
        &directory.join(FILTERS),
        &(filters.split_off(surplus).join("\n") + "\n"),
    )
}

/// Filters of earlier runs, the latest last.
pub(super) fn remembered() -> Vec<String> {
    let text = directory().and_then(|directory| fs::read_to_string(directory.join(FILTERS)).ok());
    let text = text.unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Writes a file so that it is there as a whole at any time.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // A file that is a link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    if let Ok(before) = fs::metadata(&path) {
        fs::set_permissions(&new, before.permissions())?;
    }
    fs::rename(&new, &path)
}
