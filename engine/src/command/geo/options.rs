//! The words of a geo search.
//!
//! The order of the checks is the reference's: what is wrong first in the request is told first. Start at
//! [`Query::parse`].

use super::{parse_point, parse_unit};
use crate::command::words::integer;
use crate::error::ReplyError;
use crate::geo::Point;
use crate::geo::area::{Area, Shape};
use crate::geo::distance::Unit;
use crate::geo::hash::position_of;
use crate::number::parse_f64;
use crate::resp::args::Args;
use crate::value::sorted::SortedSetView;

/// The command that searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Radius { may_store: bool },
    RadiusByMember { may_store: bool },
    Search,
    SearchStore,
}

impl Form {
    /// The word of the key that is searched.
    pub(super) const fn source_at(self) -> usize {
        if matches!(self, Self::SearchStore) { 2 } else { 1 }
    }

    /// The word where options begin.
    const fn options_at(self) -> usize {
        match self {
            Self::Radius { .. } => 6,
            Self::RadiusByMember { .. } => 5,
            Self::Search => 2,
            Self::SearchStore => 3,
        }
    }

    const fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }
}

/// The order of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// A search that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query<'a> {
    /// Nothing if the position of a member is needed and there is no such key.
    pub(super) area: Option<Area>,
    pub(super) any: bool,
    /// Most results; 0 for all.
    pub(super) count: usize,
    pub(super) order: Option<Order>,
    pub(super) store: Option<&'a [u8]>,
    pub(super) store_distances: bool,
    pub(super) with_coordinates: bool,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
}

impl<'a> Query<'a> {
    /// Reads the words of a request; `set` is what the source key holds.
    pub(super) fn parse(args: Args<'a>, form: Form, set: Option<SortedSetView<'_>>) -> Result<Self, ReplyError> {
        let mut words = Words { args, form, set, center: None, from: None, by: None, unit: Unit::Meters };
        words.take_fixed()?;
        let mut query = Self {
            area: None,
            any: false,
            count: 0,
            order: None,
            store: (form == Form::SearchStore).then(|| args.at(1)),
            store_distances: false,
            with_coordinates: false,
            with_distance: false,
            with_hash: false,
        };
        let mut index = form.options_at();
        while index < args.len() {
            index += match query.take_option(&words, index)? {
                0 => words.take_shape(index)?,
                taken => taken,
            };
        }
        query.check(&words)?;
        query.area = words.area();
        Ok(query)
    }

    /// Takes an option that says what to do with results. Returns how many words it has; 0 if it is another one.
    fn take_option(&mut self, words: &Words<'a, '_>, index: usize) -> Result<usize, ReplyError> {
        let (args, left) = (words.args, words.args.len() - index);
        let flags = [
            ("WITHDIST", &mut self.with_distance),
            ("WITHHASH", &mut self.with_hash),
            ("WITHCOORD", &mut self.with_coordinates),
            ("ANY", &mut self.any),
        ];
        if let Some((_, flag)) = flags.into_iter().find(|(word, _)| args.is(index, word)) {
            *flag = true;
            return Ok(1);
        }
        let may_store =
            matches!(words.form, Form::Radius { may_store: true } | Form::RadiusByMember { may_store: true });
        if args.is(index, "ASC") {
            self.order = Some(Order::Ascending);
            return Ok(1);
        } else if args.is(index, "DESC") {
            self.order = Some(Order::Descending);
            return Ok(1);
        } else if args.is(index, "COUNT") && left > 1 {
            let count = usize::try_from(integer(&args[index + 1])?).ok().filter(|&count| count > 0);
            self.count = count.ok_or(ReplyError::Fixed("ERR COUNT must be > 0"))?;
            return Ok(2);
        } else if may_store && left > 1 && (args.is(index, "STORE") || args.is(index, "STOREDIST")) {
            self.store = Some(args.at(index + 1));
            self.store_distances = args.is(index, "STOREDIST");
            return Ok(2);
        } else if words.form == Form::SearchStore && args.is(index, "STOREDIST") {
            self.store_distances = true;
            return Ok(1);
        }
        Ok(0)
    }

    /// Checks what the options are together.
    fn check(&mut self, words: &Words<'_, '_>) -> Result<(), ReplyError> {
        if self.store.is_some() && (self.with_coordinates || self.with_distance || self.with_hash) {
            let what = if words.form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let text = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(ReplyError::text(text));
        }
        let is_polygon = matches!(words.by, Some(Shape::Polygon { .. }));
        if words.form.is_search() && words.from.is_none() && !is_polygon {
            let before = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(ReplyError::naming(before, &words.args[0], ""));
        }
        if words.form.is_search() && words.by.is_none() {
            let before = "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for ";
            return Err(ReplyError::naming(before, &words.args[0], ""));
        }
        if self.any && self.count == 0 {
            return Err(ReplyError::Fixed("ERR the ANY argument requires COUNT argument"));
        }
        // The first of something is the nearest, unless any will do.
        if self.count > 0 && !self.any {
            self.order = self.order.or(Some(Order::Ascending));
        }
        Ok(())
    }
}

/// Where a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Coordinates,
    Member,
}

/// A request while its words are read.
struct Words<'a, 's> {
    args: Args<'a>,
    form: Form,
    set: Option<SortedSetView<'s>>,
    center: Option<Point>,
    from: Option<From>,
    by: Option<Shape>,
    unit: Unit,
}

impl Words<'_, '_> {
    /// Takes the words ahead of the options.
    fn take_fixed(&mut self) -> Result<(), ReplyError> {
        match self.form {
            Form::Radius { .. } => {
                self.center = Some(parse_point(&self.args[2], &self.args[3])?);
                self.take_radius(4)
            }
            // Without the key, not even the radius is looked at.
            Form::RadiusByMember { .. } if self.set.is_none() => Ok(()),
            Form::RadiusByMember { .. } => {
                self.take_member(2)?;
                self.take_radius(3)
            }
            Form::Search | Form::SearchStore => Ok(()),
        }
    }

    /// Takes an option that says where to search. Returns how many words it has.
    fn take_shape(&mut self, index: usize) -> Result<usize, ReplyError> {
        let left = self.args.len() - index;
        let is = |word: &str| self.form.is_search() && self.args.is(index, word);
        let (is_circle, is_box, is_polygon) = (
            matches!(self.by, Some(Shape::Circle { .. })),
            matches!(self.by, Some(Shape::Rectangle { .. })),
            matches!(self.by, Some(Shape::Polygon { .. })),
        );
        if is("FROMMEMBER") && left > 1 && self.from != Some(From::Coordinates) && !is_polygon {
            if self.set.is_some() {
                self.take_member(index + 1)?;
            }
            self.from = Some(From::Member);
            Ok(2)
        } else if is("FROMLONLAT") && left > 2 && self.from != Some(From::Member) && !is_polygon {
            self.center = Some(parse_point(&self.args[index + 1], &self.args[index + 2])?);
            self.from = Some(From::Coordinates);
            Ok(3)
        } else if is("BYRADIUS") && left > 2 && !is_box && !is_polygon {
            self.take_radius(index + 1)?;
            Ok(3)
        } else if is("BYBOX") && left > 3 && !is_circle && !is_polygon {
            self.take_box(index + 1)?;
            Ok(4)
        } else if is("BYPOLYGON") && left > 2 && !is_circle && !is_box && self.from.is_none() {
            self.take_polygon(index + 1)
        } else {
            Err(ReplyError::Syntax)
        }
    }

    fn take_member(&mut self, index: usize) -> Result<(), ReplyError> {
        let member = &self.args[index];
        let score = self.set.and_then(|set| set.score(member));
        let score = score.ok_or_else(|| ReplyError::naming("ERR member ", member, " does not exist"))?;
        self.center = Some(position_of(score));
        Ok(())
    }

    fn take_radius(&mut self, index: usize) -> Result<(), ReplyError> {
        let radius = parse_f64(&self.args[index]).ok_or(ReplyError::Fixed("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(ReplyError::Fixed("ERR radius cannot be negative"));
        }
        self.unit = parse_unit(&self.args[index + 1])?;
        self.by = Some(Shape::Circle { radius });
        Ok(())
    }

    fn take_box(&mut self, index: usize) -> Result<(), ReplyError> {
        let width = parse_f64(&self.args[index]).ok_or(ReplyError::Fixed("ERR need numeric width"))?;
        let height = parse_f64(&self.args[index + 1]).ok_or(ReplyError::Fixed("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(ReplyError::Fixed("ERR height or width cannot be negative"));
        }
        self.unit = parse_unit(&self.args[index + 2])?;
        self.by = Some(Shape::Rectangle { width, height });
        Ok(())
    }

    /// Takes a number of corners and the corners. Returns how many words that and the keyword are.
    fn take_polygon(&mut self, index: usize) -> Result<usize, ReplyError> {
        let count = integer(&self.args[index]).ok().and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or(ReplyError::Fixed("ERR invalid number of vertices"))?;
        let words = self.args.from(index + 1);
        let count = usize::try_from(count).ok().filter(|&count| count >= 3 && count <= words.len() / 2);
        let error = || ReplyError::naming("ERR ", b"GEOSEARCH", " BYPOLYGON must have at least 3 vertices");
        let count = count.ok_or_else(error)?;
        let corners = (0..count).map(|corner| parse_point(&words[corner * 2], &words[corner * 2 + 1]));
        let corners: Vec<Point> = corners.collect::<Result<_, _>>()?;
        self.center = Some(Point::middle(&corners));
        self.unit = Unit::Meters;
        self.by = Some(Shape::Polygon { corners });
        Ok(2 + count * 2)
    }

    fn area(self) -> Option<Area> {
        Some(Area { center: self.center?, unit: self.unit, shape: self.by? })
    }
}
