//! The frame of a page: its style, its text made safe, its tables.

use std::fmt::Write;

/// Colours of series, told apart by people who see few colours too (after Okabe and Ito).
pub(super) const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b",
];

const STYLE: &str = "
:root { color-scheme: light; --ink: #1c2430; --faint: #667085; --line: #d9dee7; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; } .faint { color: var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .28rem .9rem .28rem 0; border-bottom: 1px solid var(--line); text-align: right; }
td:first-child, th:first-child { text-align: left; } th { font-weight: 600; color: var(--faint); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 1.4rem 2rem; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .2rem; }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: #667085; }
svg .value { fill: #1c2430; } svg .grid { stroke: #e7eaf0; } svg .axis { stroke: #98a2b3; }
.passed { color: #067647; font-weight: 600; } .failed { color: #b42318; font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; color: var(--faint); }
.legend i { display: inline-block; width: .8rem; height: .25rem; border-radius: 2px; margin: 0 .4rem .2rem 0; }
details { margin-top: 2rem; } pre { overflow-x: auto; background: #f6f7f9; padding: 1rem; font-size: 12px; }
";

/// A whole page with this title and body.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A table with a row of heads; the first cell of each row names it.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table>\n");
    let mut row = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)))
            .collect();
        html.push_str("<tr>");
        html.push_str(&cells);
        html.push_str("</tr>\n");
    };
    if !heads.is_empty() {
        row("th", &mut heads.iter().copied());
    }
    for cells in rows {
        row("td", &mut cells.iter().map(String::as_str));
    }
    html.push_str("</table>\n");
    html
}

/// A plot under its caption, with a legend where there are several series.
pub(super) fn figure(caption: &str, legend: &[&str], svg: &str) -> String {
    let mut html = format!("<figure><figcaption>{}</figcaption>", escape(caption));
    if legend.len() > 1 {
        html.push_str("<div class=\"legend\">");
        for (name, colour) in legend.iter().zip(COLOURS.iter().cycle()) {
            let name = escape(name);
            let item = write!(
                html,
                "<span><i style=\"background:{colour}\"></i>{name}</span>"
            );
            item.expect("a string takes all");
        }
        html.push_str("</div>");
    }
    html.push_str(svg);
    html.push_str("</figure>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let html = table(&["<b>"], &[vec!["a & \"b\"".into()]]);
        assert!(html.contains("<th>&lt;b&gt;</th>"), "{html}");
        assert!(html.contains("a &amp; &quot;b&quot;"), "{html}");
    }
}
