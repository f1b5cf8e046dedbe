use super::scan::{Mark, marks};
use super::{FormatFault, Layout, TagGrammar};

/// One tag of a text with what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Name of the tag.
    pub tag: &'a str,
    /// The text between `<tag>` and `</tag>`.
    pub body: &'a str,
}

impl TagGrammar {
    /// The tags of a text with their bodies, if it matches.
    ///
    /// One pass over the text, without regular expressions: the time is linear in its length.
    ///
    /// # Errors
    /// Why it doesn't match.
    pub fn parse<'a>(&'a self, text: &'a str) -> Result<Vec<Block<'a>>, FormatFault> {
        let names: Vec<&str> = self.tags.iter().map(|rule| rule.tag.as_str()).collect();
        let pairs = pairs(text, &marks(text, &names), &names)?;
        self.check_counts(&pairs)?;
        self.check_outside(text, &pairs)?;
        let block = |(open, close): &(Mark, Mark)| {
            let block = Block { tag: names[open.tag], body: &text[open.end..close.start] };
            self.check_body(block)
        };
        pairs.iter().map(block).collect()
    }

    fn check_counts(&self, pairs: &[(Mark, Mark)]) -> Result<(), FormatFault> {
        for (tag, rule) in self.tags.iter().enumerate() {
            let found = pairs.iter().filter(|(open, _)| open.tag == tag).count();
            let (min, max) = (rule.min, rule.max);
            if !(min..=max).contains(&found) {
                return Err(FormatFault::Count { tag: rule.tag.clone(), found, min, max });
            }
        }
        match pairs.windows(2).find(|two| two[1].0.tag < two[0].0.tag) {
            None => Ok(()),
            Some(two) => {
                let tag = self.tags[two[1].0.tag].tag.clone();
                Err(FormatFault::Order { tag, at: two[1].0.start })
            }
        }
    }

    fn check_outside(&self, text: &str, pairs: &[(Mark, Mark)]) -> Result<(), FormatFault> {
        let mut from = 0;
        let ends = pairs.iter().map(|(open, close)| (open.start, close.end));
        for (index, (start, end)) in ends.chain([(text.len(), text.len())]).enumerate() {
            let between = index > 0 && index < pairs.len();
            let outside = &text[from..start];
            let fits = match self.layout {
                Layout::Whitespace => outside.chars().all(char::is_whitespace),
                Layout::Lines => outside == if between { "\n" } else { "" },
                Layout::Text => true,
            };
            if !fits {
                return Err(FormatFault::Outside { at: from });
            }
            from = end;
        }
        Ok(())
    }

    fn check_body<'a>(&self, block: Block<'a>) -> Result<Block<'a>, FormatFault> {
        let body = block.body;
        let own_lines = body.len() >= 2 && body.starts_with('\n') && body.ends_with('\n');
        if self.layout == Layout::Lines && !own_lines {
            return Err(FormatFault::Lines { tag: block.tag.to_owned() });
        }
        if !self.allow_blank && body.chars().all(char::is_whitespace) {
            return Err(FormatFault::Blank { tag: block.tag.to_owned() });
        }
        Ok(block)
    }
}

fn pairs(text: &str, marks: &[Mark], names: &[&str]) -> Result<Vec<(Mark, Mark)>, FormatFault> {
    for two in marks.chunks(2) {
        let misplaced = |mark: &Mark| {
            let found = text[mark.start..mark.end].to_owned();
            Err(FormatFault::Misplaced { found, at: mark.start })
        };
        match two {
            [open, ..] if open.closes => return misplaced(open),
            [open, close] if !close.closes || close.tag != open.tag => return misplaced(close),
            [open] => return Err(FormatFault::Unclosed { tag: names[open.tag].to_owned() }),
            _ => {}
        }
    }
    Ok(marks.chunks_exact(2).map(|two| (two[0], two[1])).collect())
}
