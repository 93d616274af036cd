//! Reads the outline of a markdown text: sections, list items with their depth, paragraphs, code fences.
//!
//! Not a markdown renderer: it knows what a plan is made of and takes every other line for prose. What a person does
//! not see as a list item is none here either: code fences, indented code, comments and quotations.
//!
//! Invariant: linear in the text, never fails, never panics; every line number exists in the text.

use super::line::{Comments, FenceMark, Heading, Marker, columns};

/// Whether a list item has a box, and whether it is ticked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// No box.
    Plain,
    /// `[ ]`, and the marks for work in progress `[-]`, `[/]` and `[~]`.
    Open,
    /// `[x]` or `[X]`.
    Done,
}

/// A list item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// 0 for the outermost list.
    pub(super) depth: usize,
    pub(super) tick: Tick,
    /// What stands behind the marker and the box, wrapped lines joined. May be empty.
    pub(super) text: String,
    /// Paragraphs below it, without its children's.
    pub(super) prose: Vec<String>,
    pub(super) fences: Vec<Fence>,
    pub(super) line: usize,
}

/// A code fence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fence {
    /// The first word behind the opening mark, in lower case; often empty.
    pub(super) language: String,
    pub(super) lines: Vec<String>,
}

/// A heading with what stands between it and the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section {
    /// 1 to 6; 0 only for what stands before the first heading.
    pub(super) level: u8,
    pub(super) title: String,
    /// The line of the heading.
    pub(super) line: usize,
    /// The section that this one is part of. Its level is lower, its index too.
    pub(super) parent: Option<usize>,
    /// Paragraphs outside of lists.
    pub(super) prose: Vec<String>,
    /// Fences outside of list items.
    pub(super) fences: Vec<Fence>,
    /// Its list items: a range of [`Outline::nodes`].
    pub(super) nodes: std::ops::Range<usize>,
}

/// A whole text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outline {
    /// In order. The first has level 0 and holds what comes before any heading.
    pub(super) sections: Vec<Section>,
    /// All list items in order; children follow their parent and are deeper.
    pub(super) nodes: Vec<Node>,
}

impl Outline {
    /// Reads a text whose first line has the number `first_line`.
    pub(super) fn read(text: &str, first_line: usize) -> Self {
        let mut reader = Reader::new(text);
        for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            reader.line(line, at, first_line + at);
        }
        reader.end()
    }

    /// Returns the index behind the last descendant of a node.
    pub(super) fn subtree_end(&self, node: usize) -> usize {
        let Some(depth) = self.nodes.get(node).map(|node| node.depth) else { return node };
        let below = self.nodes.iter().skip(node + 1).take_while(|other| other.depth > depth).count();
        node + 1 + below
    }

    /// Returns the node and its descendants.
    pub(super) fn subtree(&self, node: usize) -> &[Node] {
        self.nodes.get(node..self.subtree_end(node)).unwrap_or_default()
    }

    /// Returns the list items that belong to a section itself.
    pub(super) fn items(&self, section: &Section) -> &[Node] {
        self.nodes.get(section.nodes.clone()).unwrap_or_default()
    }

    /// Returns the index behind the last section that is part of this one.
    pub(super) fn section_end(&self, section: usize) -> usize {
        let Some(level) = self.sections.get(section).map(|section| section.level) else { return section };
        let below = self.sections.iter().skip(section + 1).take_while(|other| other.level > level).count();
        section + 1 + below
    }

    /// Returns the section and those it is part of, innermost first. At most seven.
    pub(super) fn ancestry(&self, section: usize) -> impl Iterator<Item = (usize, &Section)> {
        let found = |at: usize| Some((at, self.sections.get(at)?));
        std::iter::successors(found(section), move |(_, section)| found(section.parent?))
    }

    /// Returns the first heading of level 1, else the first heading.
    pub(super) fn title(&self) -> Option<&str> {
        let headings = || self.sections.iter().filter(|section| section.level > 0 && !section.title.is_empty());
        headings()
            .find(|section| section.level == 1)
            .or_else(|| headings().next())
            .map(|section| section.title.as_str())
    }
}

/// Where the next line of prose goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Nowhere yet: a blank line, a heading or a fence came last.
    Nothing,
    /// To the text of the last list item.
    Item,
    /// To the last paragraph of the last list item.
    ItemProse,
    /// To the last paragraph of the section.
    Prose,
}

struct Reader {
    outline: Outline,
    comments: Comments,
    fence: Option<(FenceMark, Fence)>,
    /// Indentation of the items that the next one can be a child of, outermost first. Empty outside of lists.
    indents: Vec<usize>,
    open: Open,
}

impl Reader {
    fn new(text: &str) -> Self {
        let outline = Outline { sections: vec![Section::default()], nodes: Vec::new() };
        let comments = Comments::new(text);
        Self { outline, comments, fence: None, indents: Vec::new(), open: Open::Nothing }
    }

    fn line(&mut self, raw: &str, at: usize, no: usize) {
        if let Some((mark, fence)) = &mut self.fence {
            if mark.is_closed_by(raw) {
                self.close_fence();
            } else {
                fence.lines.push(mark.unindent(raw).to_owned());
            }
            return;
        }
        let visible = self.comments.visible(raw, at);
        let line = visible.as_ref();
        let (indent, text) = columns(line);
        if text.is_empty() {
            self.open = Open::Nothing;
            return;
        }
        if self.indents.is_empty() && self.open == Open::Nothing && indent >= 4 {
            // Indented code: shown as it is, hence no item and no heading.
            self.prose(text, indent);
            return;
        }
        if let Some((mark, language)) = FenceMark::opened_by(indent, text) {
            self.leave_list(indent);
            self.fence = Some((mark, Fence { language, lines: Vec::new() }));
        } else if let Some(heading) = Heading::read(indent, text) {
            self.heading(heading.level, heading.text, no);
        } else if let Some(level) = self.underline(indent, text) {
            let title = self.section().prose.pop().unwrap_or_default();
            self.heading(level, &title, no.saturating_sub(1));
        } else if is_rule(text) {
            self.leave_list(indent);
            self.open = Open::Nothing;
        } else if let Some(marker) = Marker::read(text) {
            self.item(indent, marker.tick, marker.text, no);
        } else {
            self.prose(text, indent);
        }
    }

    fn section(&mut self) -> &mut Section {
        // There is always one: `new` makes the first and nothing removes any.
        if self.outline.sections.is_empty() {
            self.outline.sections.push(Section::default());
        }
        let last = self.outline.sections.len() - 1;
        &mut self.outline.sections[last]
    }

    fn heading(&mut self, level: u8, title: &str, line: usize) {
        let parent = {
            let last = self.outline.sections.len().saturating_sub(1);
            self.outline.ancestry(last).find(|(_, section)| section.level < level).map(|(at, _)| at)
        };
        let start = self.outline.nodes.len();
        self.outline.sections.push(Section {
            level,
            title: title.to_owned(),
            line,
            parent,
            nodes: start..start,
            ..Section::default()
        });
        self.indents.clear();
        self.open = Open::Nothing;
    }

    /// Whether a line underlines the single line of prose before it.
    fn underline(&mut self, indent: usize, text: &str) -> Option<u8> {
        let level = match text.bytes().next()? {
            b'=' => 1,
            b'-' => 2,
            _ => return None,
        };
        let is_line = indent < 4 && text.len() >= 3 && text.bytes().all(|byte| Some(byte) == text.bytes().next());
        let is_title = self.open == Open::Prose && self.section().prose.last().is_some_and(|text| !text.contains('\n'));
        (is_line && is_title).then_some(level)
    }

    fn item(&mut self, indent: usize, tick: Tick, text: &str, line: usize) {
        // Two columns: the least that any renderer takes for nesting, and what people use under any marker.
        while self.indents.last().is_some_and(|parent| indent < parent + 2) {
            self.indents.pop();
        }
        let depth = self.indents.len();
        self.indents.push(indent);
        let fence = FenceMark::opened_by(indent + 2, text);
        let text = if fence.is_some() { String::new() } else { text.to_owned() };
        self.outline.nodes.push(Node { depth, tick, text, prose: Vec::new(), fences: Vec::new(), line });
        let end = self.outline.nodes.len();
        self.section().nodes.end = end;
        self.fence = fence.map(|(mark, language)| (mark, Fence { language, lines: Vec::new() }));
        self.open = if self.fence.is_some() { Open::Nothing } else { Open::Item };
    }

    fn prose(&mut self, text: &str, indent: usize) {
        if self.open == Open::Nothing {
            self.leave_list(indent);
            self.open = if self.indents.is_empty() { Open::Prose } else { Open::ItemProse };
            match self.open {
                Open::ItemProse => {
                    if let Some(node) = self.outline.nodes.last_mut() {
                        node.prose.push(text.to_owned());
                    }
                }
                Open::Prose | Open::Nothing | Open::Item => self.section().prose.push(text.to_owned()),
            }
            return;
        }
        let (target, joint) = match self.open {
            Open::Item => {
                let target = self.outline.nodes.last_mut().map(|node| &mut node.text);
                let joint = target.as_ref().map_or(" ", |target| joint(target, text));
                (target, joint)
            }
            Open::ItemProse => (self.outline.nodes.last_mut().and_then(|node| node.prose.last_mut()), "\n"),
            Open::Prose | Open::Nothing => (self.section().prose.last_mut(), "\n"),
        };
        if let Some(target) = target {
            target.push_str(if target.is_empty() { "" } else { joint });
            target.push_str(text);
        }
    }

    /// Ends the list, or its inner lists, when something stands outside of it.
    fn leave_list(&mut self, indent: usize) {
        if indent == 0 {
            self.indents.clear();
        }
        while self.indents.len() > 1 && self.indents.last().is_some_and(|own| indent <= *own) {
            self.indents.pop();
        }
    }

    fn close_fence(&mut self) {
        let Some((_, fence)) = self.fence.take() else { return };
        self.open = Open::Nothing;
        match self.outline.nodes.last_mut() {
            Some(node) if !self.indents.is_empty() => node.fences.push(fence),
            _ => self.section().fences.push(fence),
        }
    }

    fn end(mut self) -> Outline {
        self.close_fence();
        self.outline
    }
}

/// Says how a line goes on with an item: a wrapped line goes on with its sentence, a short one followed by a capital is a
/// title with a text below it.
fn joint(before: &str, next: &str) -> &'static str {
    // 60: who wraps lines does it later than this.
    let is_short = before.chars().count() < 60;
    let is_start = next.starts_with(|c: char| c.is_uppercase() || matches!(c, '*' | '_' | '`'));
    if is_short && is_start { "\n" } else { " " }
}

/// Whether a line is a rule: three or more of `-`, `*` or `_`, also with blanks between.
fn is_rule(text: &str) -> bool {
    let mut marks = text.chars().filter(|c| !c.is_whitespace());
    let Some(first) = marks.next().filter(|c| matches!(c, '-' | '*' | '_')) else { return false };
    marks.clone().count() >= 2 && marks.all(|c| c == first)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn items(text: &str) -> Vec<(usize, Tick, String, usize)> {
        let outline = Outline::read(text, 1);
        outline.nodes.into_iter().map(|node| (node.depth, node.tick, node.text, node.line)).collect()
    }

    fn open(depth: usize, text: &str, line: usize) -> (usize, Tick, String, usize) {
        (depth, Tick::Open, text.to_owned(), line)
    }

    #[test]
    fn every_marker_can_carry_a_box() {
        let text = "- [ ] a\n* [x] b\n+ [X] c\n1. [ ] d\n2) [ ] e\n- [-] f\n-\t[ ]\tg\n";
        let ticks: Vec<_> = items(text).into_iter().map(|(_, tick, text, _)| (tick, text)).collect();
        let expected = [
            (Tick::Open, "a"),
            (Tick::Done, "b"),
            (Tick::Done, "c"),
            (Tick::Open, "d"),
            (Tick::Open, "e"),
            (Tick::Open, "f"),
            (Tick::Open, "g"),
        ];
        assert_eq!(ticks, expected.map(|(tick, text)| (tick, text.to_owned())));
    }

    #[test]
    fn what_only_looks_like_a_box_is_none() {
        for text in ["- [ ](url) a", "- [x]a", "-[ ] a", "[ ] a", "> - [ ] a", "- [y] a", "Use - [ ] a", "- [link] a"] {
            assert!(items(text).iter().all(|(_, tick, ..)| *tick == Tick::Plain), "{text}");
        }
    }

    #[test]
    fn code_comments_and_quotations_hold_no_items() {
        let text = "```md\n- [ ] in a fence\n```\n~~~~\n```\n- [ ] still\n~~~~\n<!-- - [ ] one line -->\n<!--\n- [ ] more\n-->\n\
                    \n    - [ ] indented code\n\n> - [ ] quoted\n\n- [ ] real <!-- hidden\n- [ ] hidden too -->\n";
        assert_eq!(items(text), [open(0, "real", 17)]);
        assert_eq!(items("- [ ] `<!--` is text\n- [ ] b\n-->\n<!-- never closed\n- [ ] c\n").len(), 3);
    }

    #[test]
    fn nesting_follows_the_indentation_of_any_width() {
        let text = "- [ ] a\n  - [ ] b\n      - [ ] c\n  - [ ] d\n- [ ] e\n\t- [ ] f\n1. [ ] g\n   - [ ] h\n - [ ] i\n";
        let depths: Vec<_> = items(text).into_iter().map(|(depth, _, text, _)| (depth, text)).collect();
        let expected = [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e"), (1, "f"), (0, "g"), (1, "h"), (0, "i")];
        assert_eq!(depths, expected.map(|(depth, text)| (depth, text.to_owned())));
    }

    #[test]
    fn continuation_lines_belong_to_their_item_and_prose_to_its_section() {
        let outline = Outline::read(
            "# T\nintro\nmore\n\n- [ ] a\n  goes on\nlazily\n\n  own paragraph\n\n  ```sh\n  make\n  ```\n\nafter\n",
            1,
        );
        let node = outline.nodes.first().unwrap();
        assert_eq!(node.text, "a goes on lazily");
        assert_eq!(node.prose, ["own paragraph"]);
        assert_eq!(node.fences, [Fence { language: "sh".to_owned(), lines: vec!["make".to_owned()] }]);
        assert_eq!(outline.sections.last().unwrap().prose, ["intro\nmore", "after"]);
    }

    #[test]
    fn headings_of_both_kinds_make_a_tree() {
        let outline = Outline::read("Title\n=====\n## A ##\n#### B\nC\n---\n#no\n", 5);
        let tree: Vec<_> = outline.sections.iter().map(|s| (s.level, s.title.as_str(), s.line, s.parent)).collect();
        let expected = [
            (0, "", 0, None),
            (1, "Title", 5, Some(0)),
            (2, "A", 7, Some(1)),
            (4, "B", 8, Some(2)),
            (2, "C", 9, Some(1)),
        ];
        assert_eq!(tree, expected);
        assert_eq!(outline.title(), Some("Title"));
        assert_eq!(outline.section_end(1), 5);
        assert_eq!(outline.section_end(2), 4);
    }

    #[test]
    fn line_ends_and_byte_order_marks_do_not_matter() {
        assert_eq!(items("\u{feff}- [ ] a\r\n  - [x] b\r\n"), [open(0, "a", 1), (1, Tick::Done, "b".to_owned(), 2)]);
        assert_eq!(
            items("\u{feff}# T\r\n\r\n- [ ] \u{4efb}\u{52a1} \u{1f680}\r\n"),
            [open(0, "\u{4efb}\u{52a1} \u{1f680}", 3)]
        );
    }

    #[test]
    fn a_fence_inside_an_item_does_not_end_the_list() {
        let text = "- [ ] a\n  ```\n- [ ] not\n  ```\n  - [ ] b\n- ```sh\n  - [ ] not\n  ```\n- [ ] c\n";
        let found: Vec<_> = items(text).into_iter().map(|(depth, _, text, _)| (depth, text)).collect();
        assert_eq!(found, [(0, "a".to_owned()), (1, "b".to_owned()), (0, String::new()), (0, "c".to_owned())]);
    }

    #[test]
    fn thousands_of_levels_are_followed() {
        let text = (0..2_000).map(|depth| "  ".repeat(depth) + "- [ ] x\n").collect::<String>();
        let outline = Outline::read(&text, 1);
        assert_eq!(outline.nodes.last().unwrap().depth, 1_999);
        assert_eq!(outline.subtree_end(0), 2_000);
    }

    proptest! {
        #[test]
        fn fuzz_any_text_has_an_outline(text in "([-*+#>`~ \t\n]|\\[ \\]|\\[x\\]|<!--|-->|```|[a-z1.)=é]|\r\n){0,80}") {
            let outline = Outline::read(&text, 1);
            let lines = text.lines().count();
            prop_assert!(outline.nodes.iter().all(|node| (1..=lines).contains(&node.line)));
            prop_assert!(outline.sections.iter().skip(1).all(|section| (1..=lines).contains(&section.line)));
            prop_assert!(outline.nodes.windows(2).all(|pair| pair[1].depth <= pair[0].depth + 1));
        }
    }
}
