//! A packet: its layers as a tree with every encapsulation, and its bytes, those of the selected field marked.

mod bytes;
mod tree;

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::asked::Asked;
use super::cursor::Cursor;
use super::words::{clock, count, cut};
use super::{Context, Effect, View};
use crate::action::Action;
use crate::data::{Answer, Ask, Packet, PacketRef};
use crate::look::Role;
use crate::widget::text::clean;
use tree::{Node, Tree};

/// From this width on, the bytes stand beside the tree.
const BESIDE: u16 = 132;

/// The tree is no wider there.
const TREE: u16 = 90;

/// What of a packet is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Both,
    Tree,
    Bytes,
}

impl Form {
    fn next(self) -> Self {
        match self {
            Self::Both => Self::Tree,
            Self::Tree => Self::Bytes,
            Self::Bytes => Self::Both,
        }
    }
}

/// The screen of a packet.
#[derive(Debug)]
pub struct PacketView {
    reference: PacketRef,
    packet: Asked<Packet>,
    tree: Tree,
    cursor: Cursor,
    form: Form,
    /// First line of the bytes that is shown.
    top: usize,
    /// Where the tree was drawn.
    area: Rect,
}

impl PacketView {
    /// The packet that this refers to.
    pub fn new(reference: PacketRef) -> Self {
        Self {
            reference,
            packet: Asked::Waiting,
            tree: Tree::default(),
            cursor: Cursor::default(),
            form: Form::Both,
            top: 0,
            area: Rect::ZERO,
        }
    }

    /// The line of the tree that keys act on.
    fn node(&self) -> Option<Node> {
        let packet = self.packet.get()?;
        self.tree.nodes(&packet.layers).nth(self.cursor.selected)
    }

    fn len(&self) -> usize {
        let layers = self.packet.get().map_or(&[][..], |packet| &packet.layers);
        self.tree.nodes(layers).count()
    }

    /// The bytes that are marked.
    fn marked(&self) -> Range<usize> {
        let packet = self.packet.get();
        let marked = packet.zip(self.node()).and_then(|(packet, node)| {
            let layer = packet.layers.get(node.layer)?;
            let Some(field) = node.field else {
                return Some(layer.bytes.clone());
            };
            Some(layer.fields.get(field)?.bytes.clone())
        });
        marked.unwrap_or_default()
    }

    /// To the layer with this number.
    fn go(&mut self, layer: usize) {
        let Some(packet) = self.packet.get() else {
            return;
        };
        let mut nodes = self.tree.nodes(&packet.layers);
        let is_it = |node: Node| node.layer == layer && node.field.is_none();
        self.cursor.selected = nodes.position(is_it).unwrap_or_default();
    }

    /// Closes the branch, or goes to the layer that the field is of.
    fn left(&mut self) {
        if let Some(node) = self.node() {
            if node.field.is_none() {
                self.tree.close(node.layer);
            }
            self.go(node.layer);
        }
    }

    /// Opens or closes the branch.
    fn toggle(&mut self) {
        if let Some(Node { layer, field: None }) = self.node() {
            self.tree.toggle(layer);
        }
    }

    fn copied(&self) -> Option<String> {
        let (packet, node) = self.packet.get().zip(self.node())?;
        let layer = packet.layers.get(node.layer)?;
        Some(match node.field.and_then(|field| layer.fields.get(field)) {
            Some(field) => format!("{}: {}", field.name, field.value),
            None => bytes::plain(packet.bytes.get(layer.bytes.clone())?),
        })
    }
}

impl View for PacketView {
    fn title(&self, _: &Context<'_>) -> String {
        match self.packet.get() {
            Some(packet) => format!("frame {}", packet.number),
            None => "packet".to_owned(),
        }
    }

    fn opened(&mut self, _: &Context<'_>) -> Vec<Effect> {
        vec![Effect::Ask(Ask::Packet(self.reference))]
    }

    fn answer(&mut self, answer: &Answer, _: &Context<'_>) -> bool {
        let Answer::Packet(reference, packet) = answer else {
            return false;
        };
        if *reference != self.reference {
            return false;
        }
        self.packet.take(packet);
        if let Some(packet) = self.packet.get() {
            let first = Tree::first(&packet.layers);
            self.tree = Tree::of(&packet.layers);
            self.go(first);
        }
        true
    }

    fn actions(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Left,
            Action::Right,
            Action::Form,
            Action::Copy,
        ]
    }

    fn act(&mut self, action: Action, _: &Context<'_>) -> Vec<Effect> {
        let len = self.len();
        if self.cursor.act(action, len) {
            return Vec::new();
        }
        match action {
            Action::Left => self.left(),
            Action::Right => {
                if let Some(Node { layer, field: None }) = self.node() {
                    self.tree.open(layer);
                }
            }
            Action::Open => self.toggle(),
            Action::Form => self.form = self.form.next(),
            Action::Copy => return self.copied().map(Effect::Copy).into_iter().collect(),
            _ => {}
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, twice: bool, _: &Context<'_>) -> Vec<Effect> {
        let len = self.len();
        if self.area.contains(at)
            && let Some(line) = self.cursor.line_at(at.y - self.area.y, len)
        {
            self.cursor.selected = line;
            if twice {
                self.toggle();
            }
        }
        Vec::new()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let Some(packet) = self.packet.get().cloned() else {
            return self.packet.draw(frame, area, cx.look, "this packet");
        };
        let [head, body] = area.layout(&Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(0),
        ]));
        frame.render_widget(cut(about(&packet, cx), head.width, cx.look), head);
        let beside = body.width >= BESIDE;
        let bytes_size = bytes::size(packet.bytes.len(), body, beside);
        let (tree, below) = match self.form {
            Form::Tree => (body, Rect::ZERO),
            Form::Bytes => (Rect::ZERO, body),
            Form::Both => {
                let bytes = Constraint::Length(bytes_size);
                let [tree, bytes] = if beside {
                    body.layout(&Layout::horizontal([Constraint::Max(TREE), bytes]))
                } else {
                    body.layout(&Layout::vertical([Constraint::Min(0), bytes]))
                };
                (tree, bytes)
            }
        };
        self.area = tree;
        let nodes: Vec<Node> = self.tree.nodes(&packet.layers).collect();
        let shown = self.cursor.show(nodes.len(), tree.height);
        for (row, index) in tree.rows().zip(shown) {
            if let Some(&node) = nodes.get(index) {
                let selected = index == self.cursor.selected;
                let line = self.tree.line(&packet.layers, node, selected, cx.look);
                frame.render_widget(cut(line, row.width.saturating_sub(1), cx.look), row);
            }
        }
        let layer = self.node().and_then(|node| packet.layers.get(node.layer));
        let layer = layer.map_or(0..0, |layer| layer.bytes.clone());
        self.top = bytes::draw(
            frame,
            below,
            &packet.bytes,
            &bytes::Marks {
                layer,
                field: self.marked(),
            },
            self.top,
            cx.look,
        );
    }
}

/// Where the packet comes from.
fn about(packet: &Packet, cx: &Context<'_>) -> Line<'static> {
    let captured = packet.bytes.len();
    let missing = (packet.wire_len as usize).saturating_sub(captured);
    let mut text = format!(
        "frame {} of {}, {}, {} on the wire",
        packet.number,
        packet.origin,
        clock(packet.time),
        count(packet.wire_len.into(), "byte")
    );
    if missing > 0 {
        text = format!("{text}, {missing} of them not captured");
    }
    Line::styled(clean(&text, cx.look.signs), cx.look.style(Role::Faint))
}

#[cfg(test)]
mod tests;
