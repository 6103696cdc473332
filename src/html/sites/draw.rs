//! The sites picture in SVG.

use std::fmt::Write as _;

use maud::{Markup, html};
use mirrorscope_tui::picture::Place;

use super::grid::{Column, Grid, POINT, SITE, Spot, TOP, Way};
use super::way;
use crate::html::words::{fit, number};

/// Characters of a point's name, of a site's.
const POINT_NAME: usize = 20;
const SITE_NAME: usize = 26;

/// The picture.
pub(super) fn svg(grid: &Grid<'_>) -> Markup {
    let (width, height) = (grid.width(), grid.height());
    html! {
        svg.picture viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" aria-labelledby="sites-picture sites-words" {
            title id="sites-picture" { "The sites and the way of the traffic" }
            desc id="sites-words" { (in_words(grid)) }
            defs {
                @for class in ["requests", "answers"] {
                    marker.{ "head " (class) } id={ "head-" (class) } viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="5.5" markerHeight="5.5" orient="auto-start-reverse" {
                        path d="M0 0 10 5 0 10z" {}
                    }
                }
            }
            @for column in &grid.sites { (site(grid, column)) }
            @for (way, class) in [(Way::Requests, "requests"), (Way::Answers, "answers")] {
                @let lines = grid.lines(way);
                g.{ "way " (class) } {
                    @for line in &lines {
                        path d=(path(line)) marker-end={ "url(#head-" (class) ")" } {}
                    }
                }
                @if let Some((x, y)) = grid.outside(way) {
                    text.outside.(class) x=(if way == Way::Requests { x + 12 } else { x - 12 }) y=(y - 7) { (class) }
                }
            }
            @for spot in &grid.spots { (point(grid, spot)) }
        }
    }
}

fn site(grid: &Grid<'_>, column: &Column<'_>) -> Markup {
    let site = column.site;
    let (left, bottom) = (column.left, TOP + grid.site_height());
    html! {
        g.site {
            rect x=(left) y=(TOP) width=(SITE) height=(grid.site_height()) rx="10" {}
            text.name x=(left + 14) y=(TOP + 26) { title { (site.name) } (fit(&site.name, SITE_NAME)) }
            text.foot x=(left + 14) y=(bottom - 14) {
                @if let Some((requests, answers)) = site.flows {
                    "requests of " (number(requests)) ", answers of " (number(answers)) " flows"
                }
                @if site.more > 0 { " · " (number(site.more as u64)) " more points" }
            }
        }
    }
}

fn point(grid: &Grid<'_>, spot: &Spot<'_>) -> Markup {
    let place = spot.place;
    let (x, y) = grid.middle(spot);
    let (left, top) = (x - POINT.0 / 2, y - POINT.1 / 2);
    let (class, passed) = passed(grid, place);
    html! {
        g.{ "point " (class) } {
            rect x=(left) y=(top) width=(POINT.0) height=(POINT.1) rx="6" {}
            text.name x=(left + 10) y=(top + 20) { title { (place.name) ", " (place.role) } (fit(&place.name, POINT_NAME)) }
            text.role x=(left + 10) y=(top + 37) { (place.role) }
            @if !passed.is_empty() {
                text.passed x=(left + POINT.0 - 10) y=(top + 37) { (passed) }
            }
        }
    }
}

/// What passes a point, and its class.
fn passed(grid: &Grid<'_>, place: &Place) -> (&'static str, &'static str) {
    let [requests, answers] = &grid.ways;
    let both = !requests.is_empty() && !answers.is_empty();
    if grid.named.contains(&place.name) {
        return ("named", "▲");
    }
    match (place.requests, place.answers) {
        (true, true) => ("both", "⇄ both"),
        (true, false) if both && place.role == "firewall" => ("lacks", "✖ no answers"),
        (false, true) if both && place.role == "firewall" => ("lacks", "✖ no requests"),
        (true, false) => ("requests", "requests"),
        (false, true) => ("answers", "answers"),
        (false, false) if requests.is_empty() && answers.is_empty() => ("plain", ""),
        (false, false) => ("beside", ""),
    }
}

fn path(line: &[(i32, i32)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in line.iter().enumerate() {
        let _ = write!(path, "{}{x} {y}", if index == 0 { "M" } else { "L" });
    }
    path
}

/// What the picture says.
fn in_words(grid: &Grid<'_>) -> String {
    let picture = grid.picture;
    let mut words: Vec<String> = Vec::new();
    if !picture.requests.is_empty() {
        words.push(format!("Requests pass {}.", way(&picture.requests)));
    }
    if !picture.answers.is_empty() {
        words.push(format!("Answers pass {}.", way(&picture.answers)));
    }
    for column in &grid.sites {
        let points: Vec<&str> = column.site.places.iter().map(|p| p.name.as_str()).collect();
        words.push(format!(
            "Site {} has {}.",
            column.site.name,
            points.join(", ")
        ));
    }
    words.join(" ")
}
