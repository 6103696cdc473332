//! Styles in the configuration: `red`, `bold #ff8800 on 236`.

use ratatui::style::{Color, Modifier, Style};

const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

/// What a style is made of.
pub const FORM: &str = "a colour (red, light-blue, 0-255 or #rrggbb), `on` and a colour, bold, dim, italic, underlined, reversed";

/// Reads a style; what cannot be read of it is given back.
pub fn parse(text: &str) -> Result<Style, String> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let modifier = MODIFIERS.iter().find(|(name, _)| *name == word);
        if let Some((_, modifier)) = modifier {
            style = style.add_modifier(*modifier);
        } else if word == "on" {
            let colour = words.next().unwrap_or_default();
            style = style.bg(colour.parse::<Color>().map_err(|_| colour.to_owned())?);
        } else {
            style = style.fg(word.parse::<Color>().map_err(|_| word.to_owned())?);
        }
    }
    Ok(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_modifiers_come_in_any_order() {
        let style = Style::new()
            .fg(Color::Rgb(255, 136, 0))
            .bg(Color::Indexed(236))
            .add_modifier(Modifier::BOLD);
        assert_eq!(parse("bold #ff8800 on 236"), Ok(style));
        assert_eq!(parse("#ff8800 on 236 bold"), Ok(style));
        assert_eq!(parse(""), Ok(Style::new()));
        assert_eq!(parse("bold rod"), Err("rod".to_owned()));
        assert_eq!(parse("red on"), Err(String::new()));
    }
}
