//! Areas to search in, and the cells that cover them.
//!
//! Start at [`Area::cells`] and [`Area::distance_to`].

use super::distance::{EARTH_RADIUS_METERS, Unit, meters, meters_north};
use super::hash::{Cell, STEPS_MAX};
use super::{Point, degrees, radians};

/// A part of the earth's surface around a position.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// From where distances are measured.
    pub center: Point,
    /// The unit of the shape, and of distances that are shown.
    pub unit: Unit,
    /// What it looks like.
    pub shape: Shape,
}

/// What an area looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Up to a distance from the center.
    Circle {
        /// In the area's unit.
        radius: f64,
    },
    /// Inside of the lines from corner to corner on a flat map.
    Polygon {
        /// At least three.
        corners: Vec<Point>,
    },
    /// Half of each to either side.
    Rectangle {
        /// West to east, in the area's unit.
        width: f64,
        /// South to north, in the area's unit.
        height: f64,
    },
}

impl Area {
    /// Meters from the center to a position, if that is inside.
    pub fn distance_to(&self, point: Point) -> Option<f64> {
        let unit = self.unit.meters();
        match &self.shape {
            Shape::Circle { radius } => {
                let distance = meters(self.center, point);
                (distance <= radius * unit).then_some(distance)
            }
            Shape::Rectangle { width, height } => {
                if meters_north(point.latitude, self.center.latitude) > height * unit / 2.0 {
                    return None;
                }
                let middle = Point { longitude: self.center.longitude, latitude: point.latitude };
                (meters(point, middle) <= width * unit / 2.0).then(|| meters(self.center, point))
            }
            Shape::Polygon { corners } => is_inside(corners, point).then(|| meters(self.center, point)),
        }
    }

    /// The cells that have all positions inside, in the order in which they are searched: that of the center, then
    /// those around it. Cells that repeat one before are left out.
    pub fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = steps_for(self.reach_meters(&bounds), self.center.latitude);
        if steps > 1 && !reaches(Cell::around(self.center, steps), &bounds) {
            steps -= 1;
        }
        let middle = Cell::around(self.center, steps);
        let (low, high) = middle.corners();
        // A side is of use unless the middle reaches over the bounds there; few steps make cells too large for that.
        let is_useful = |east: i64, north: i64| {
            steps < 2
                || !((east > 0 && high.longitude > bounds.high.longitude)
                    || (east < 0 && low.longitude < bounds.low.longitude)
                    || (north > 0 && high.latitude > bounds.high.latitude)
                    || (north < 0 && low.latitude < bounds.low.latitude))
        };
        let mut cells = vec![middle];
        for (east, north) in AROUND {
            let cell = middle.neighbour(east, north);
            let repeats = cells.len() > 1 && cells.last() == Some(&cell);
            if is_useful(east, north) && !repeats {
                cells.push(cell);
            }
        }
        cells
    }

    /// Meters from the center that the cells must reach.
    fn reach_meters(&self, bounds: &Bounds) -> f64 {
        match &self.shape {
            Shape::Circle { radius } => radius * self.unit.meters(),
            Shape::Rectangle { width, height } => {
                let (x, y) = (width / 2.0, height / 2.0);
                (x * x + y * y).sqrt() * self.unit.meters()
            }
            Shape::Polygon { .. } => {
                bounds.corners().into_iter().map(|corner| meters(self.center, corner)).fold(0.0, f64::max)
            }
        }
    }

    fn bounds(&self) -> Bounds {
        let (width, height) = match &self.shape {
            Shape::Circle { radius } => (*radius, *radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon { corners } => return Bounds::of(corners),
        };
        let (width, height) = (self.unit.meters() * width, self.unit.meters() * height);
        let Point { longitude, latitude } = self.center;
        let north = degrees(height / EARTH_RADIUS_METERS);
        // A parallel is shorter the farther from the equator: each hemisphere takes the side where that counts.
        let parallel = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(width / EARTH_RADIUS_METERS / radians(parallel).cos());
        Bounds {
            low: Point { longitude: longitude - east, latitude: latitude - north },
            high: Point { longitude: longitude + east, latitude: latitude + north },
        }
    }
}

/// A box between two corners.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: Point,
    high: Point,
}

impl Bounds {
    fn of(points: &[Point]) -> Self {
        let nowhere = Self {
            low: Point { longitude: f64::INFINITY, latitude: f64::INFINITY },
            high: Point { longitude: f64::NEG_INFINITY, latitude: f64::NEG_INFINITY },
        };
        points.iter().fold(nowhere, |Self { low, high }, point| Self {
            low: Point { longitude: low.longitude.min(point.longitude), latitude: low.latitude.min(point.latitude) },
            high: Point { longitude: high.longitude.max(point.longitude), latitude: high.latitude.max(point.latitude) },
        })
    }

    fn corners(&self) -> [Point; 4] {
        let Self { low, high } = self;
        [(low, low), (low, high), (high, low), (high, high)]
            .map(|(x, y)| Point { longitude: x.longitude, latitude: y.latitude })
    }
}

/// Whether a cell and those around it have everything within bounds.
fn reaches(cell: Cell, bounds: &Bounds) -> bool {
    cell.neighbour(0, 1).corners().1.latitude >= bounds.high.latitude
        && cell.neighbour(0, -1).corners().0.latitude <= bounds.low.latitude
        && cell.neighbour(1, 0).corners().1.longitude >= bounds.high.longitude
        && cell.neighbour(-1, 0).corners().0.longitude <= bounds.low.longitude
}

/// How fine the cells may be so that nine of them most likely cover a distance from the middle one.
fn steps_for(mut meters: f64, latitude: f64) -> u32 {
    if meters == 0.0 {
        return STEPS_MAX;
    }
    let mut steps = 1_i32;
    while meters < MERCATOR_MAX && steps < 64 {
        meters *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Cells become narrow towards the poles.
    if latitude.abs() > 66.0 {
        steps -= if latitude.abs() > 80.0 { 2 } else { 1 };
    }
    steps.clamp(1, STEPS_MAX.cast_signed()).cast_unsigned()
}

/// Whether a position is inside of a polygon on a flat map: a ray from it crosses the outline an odd number of times.
fn is_inside(corners: &[Point], point: Point) -> bool {
    let mut is_inside = false;
    let mut previous = corners.last();
    for corner in corners {
        if let Some(other) = previous
            && (corner.latitude > point.latitude) != (other.latitude > point.latitude)
        {
            let slope = (other.longitude - corner.longitude) / (other.latitude - corner.latitude);
            is_inside ^= point.longitude < slope * (point.latitude - corner.latitude) + corner.longitude;
        }
        previous = Some(corner);
    }
    is_inside
}

/// The cells around one, as steps to the east and to the north, in the order of the search.
const AROUND: [(i64, i64); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Meters from the middle of a Web Mercator map to its edge.
const MERCATOR_MAX: f64 = 20_037_726.37;

#[cfg(test)]
mod tests {
    use super::{Area, Shape};
    use crate::geo::Point;
    use crate::geo::distance::Unit;
    use crate::geo::hash::{position_of, score_of};
    use crate::rng::Rng;

    fn random_point(rng: &mut Rng, spread: f64) -> Point {
        let number = |rng: &mut Rng, max: f64| (rng.below(1 << 30) as f64 / (1_u64 << 29) as f64 - 1.0) * max;
        Point { longitude: number(rng, spread), latitude: number(rng, spread.min(60.0)) }
    }

    #[test]
    fn cells_have_all_positions_inside() {
        let mut rng = Rng::new(4);
        for round in 0..400 {
            let center = random_point(&mut rng, 90.0);
            let size = [0.5, 20.0, 300.0, 2000.0][rng.index(4)] * (1 + rng.below(9)) as f64;
            let corners = (0..4).map(|_| {
                let offset = random_point(&mut rng, 20.0);
                Point {
                    longitude: center.longitude + offset.longitude,
                    latitude: center.latitude / 2.0 + offset.latitude / 4.0,
                }
            });
            let shape = match round % 3 {
                0 => Shape::Circle { radius: size },
                1 => Shape::Rectangle { width: size, height: size * 2.0 },
                _ => Shape::Polygon { corners: corners.collect() },
            };
            let center = if let Shape::Polygon { corners } = &shape { Point::middle(corners) } else { center };
            let area = Area { center, unit: Unit::Kilometers, shape };
            let cells = area.cells();
            for _ in 0..200 {
                let offset = random_point(&mut rng, 25.0);
                let near = Point {
                    longitude: center.longitude + offset.longitude,
                    latitude: center.latitude + offset.latitude / 2.0,
                };
                let Some(near) = Point::new(near.longitude, near.latitude) else { continue };
                let score = score_of(near) as f64;
                if area.distance_to(position_of(score)).is_some() {
                    assert!(cells.iter().any(|cell| cell.scores().contains(&score)), "{area:?} {near:?}");
                }
            }
        }
    }

    #[test]
    fn a_point_is_inside_of_a_polygon_or_not() {
        let corners = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (5.0, 2.0), (0.0, 10.0)];
        let corners = corners.map(|(longitude, latitude)| Point { longitude, latitude }).to_vec();
        let area = Area { center: Point::middle(&corners), unit: Unit::Meters, shape: Shape::Polygon { corners } };
        let has = |longitude, latitude| area.distance_to(Point { longitude, latitude }).is_some();

        assert!(has(1.0, 1.0) && has(9.0, 8.0) && has(5.0, 1.0));
        assert!(!has(5.0, 5.0) && !has(-1.0, 1.0) && !has(5.0, 11.0));
    }
}
