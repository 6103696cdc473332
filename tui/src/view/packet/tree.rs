//! The layers of a packet as a tree whose branches open and close.

use std::collections::BTreeSet;

use mirrorscope_dissectors::fields::Layer;
use ratatui::text::{Line, Span};

use crate::look::{Look, Role};
use crate::widget::text::clean;

/// A line of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The layer, by its index.
    pub(super) layer: usize,
    /// The field of it; the layer itself without one.
    pub(super) field: Option<usize>,
}

/// Which branches are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    open: BTreeSet<usize>,
}

impl Tree {
    /// A tree with its inner part open: the packet that was mirrored, from its IP header on.
    pub(super) fn of(layers: &[Layer]) -> Self {
        let first = Self::first(layers);
        let open = (first..layers.len()).filter(|&layer| {
            let fields = layers.get(layer).map(|layer| &layer.fields);
            fields.is_some_and(|fields| !fields.is_empty())
        });
        Self {
            open: open.collect(),
        }
    }

    /// The layer that a reader wants first: the last with fields, and what carries it in the same packet is above it.
    pub(super) fn first(layers: &[Layer]) -> usize {
        let with_fields =
            |layer: &Layer| !layer.fields.is_empty() && !layer.title.starts_with("Quoted");
        layers.iter().rposition(with_fields).unwrap_or_default()
    }

    pub(super) fn open(&mut self, layer: usize) {
        self.open.insert(layer);
    }

    pub(super) fn close(&mut self, layer: usize) {
        self.open.remove(&layer);
    }

    pub(super) fn toggle(&mut self, layer: usize) {
        if !self.open.remove(&layer) {
            self.open.insert(layer);
        }
    }

    /// The lines that there are.
    pub(super) fn nodes<'a>(&'a self, layers: &'a [Layer]) -> impl Iterator<Item = Node> + 'a {
        layers.iter().enumerate().flat_map(|(index, layer)| {
            let fields = if self.open.contains(&index) {
                layer.fields.len()
            } else {
                0
            };
            let head = Node {
                layer: index,
                field: None,
            };
            let fields = (0..fields).map(move |field| Node {
                layer: index,
                field: Some(field),
            });
            std::iter::once(head).chain(fields)
        })
    }

    /// A line as it is drawn.
    pub(super) fn line(
        &self,
        layers: &[Layer],
        node: Node,
        selected: bool,
        look: &Look,
    ) -> Line<'static> {
        let Some(layer) = layers.get(node.layer) else {
            return Line::default();
        };
        let text = |text: &str| clean(text, look.signs);
        let field = node.field.and_then(|field| layer.fields.get(field));
        let mut line = if let Some(field) = field {
            Line::from(vec![
                Span::styled(
                    format!("     {:<width$}  ", field.name, width = names(layer)),
                    look.style(Role::Faint),
                ),
                Span::styled(text(&field.value), look.style(Role::Text)),
            ])
        } else {
            let mark = match (layer.fields.is_empty(), self.open.contains(&node.layer)) {
                (true, _) => "  ",
                (false, true) => look.signs.either("▾ ", "- "),
                (false, false) => look.signs.either("▸ ", "+ "),
            };
            let role = match layer.title.as_str() {
                "Cut" | "Closed" | "Not opened" => Role::Warning,
                title if title.starts_with("Malformed") => Role::Error,
                _ => Role::Heading,
            };
            Line::from(vec![
                Span::styled(format!(" {mark}{}  ", layer.title), look.style(role)),
                Span::styled(text(&layer.gist), look.style(Role::Text)),
            ])
        };
        if selected {
            line = line.patch_style(look.style(Role::Selected));
        }
        line
    }
}

/// Columns that the names of a layer's fields take.
fn names(layer: &Layer) -> usize {
    let names = layer.fields.iter().map(|field| field.name.len());
    names.max().unwrap_or_default()
}
