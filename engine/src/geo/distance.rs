//! Distances on a sphere, by the haversine formula, and as text.

use super::{Point, radians};

/// Meters between two positions.
pub fn meters(from: Point, to: Point) -> f64 {
    let v = ((radians(to.longitude) - radians(from.longitude)) / 2.0).sin();
    if v == 0.0 {
        return meters_north(from.latitude, to.latitude);
    }
    let (from_latitude, to_latitude) = (radians(from.latitude), radians(to.latitude));
    let u = ((to_latitude - from_latitude) / 2.0).sin();
    let a = u * u + from_latitude.cos() * to_latitude.cos() * v * v;
    2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
}

/// Meters between two latitudes along a meridian.
pub fn meters_north(from: f64, to: f64) -> f64 {
    EARTH_RADIUS_METERS * (radians(to) - radians(from)).abs()
}

/// A unit of distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `ft`.
    Feet,
    /// `km`.
    Kilometers,
    /// `m`.
    Meters,
    /// `mi`.
    Miles,
}

impl Unit {
    /// The unit with this name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let units = [("m", Self::Meters), ("km", Self::Kilometers), ("ft", Self::Feet), ("mi", Self::Miles)];
        units.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, unit)| unit)
    }

    /// Meters in one of it.
    pub const fn meters(self) -> f64 {
        match self {
            Self::Feet => 0.3048,
            Self::Kilometers => 1000.0,
            Self::Meters => 1.0,
            Self::Miles => 1609.34,
        }
    }
}

/// The radius of the sphere that stands for the earth.
pub(super) const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;

#[cfg(test)]
mod tests {
    use super::{Unit, meters};
    use crate::geo::hash::position_of;

    #[test]
    fn distances_are_the_references() {
        let (palermo, catania) = (position_of(3_479_099_956_230_698.0), position_of(3_479_447_370_796_909.0));

        // GEODIST of valkey-server 9.1.
        assert_eq!(format!("{:.4}", meters(palermo, catania)), "166274.1516");
        assert_eq!(format!("{:.4}", meters(palermo, catania) / Unit::Miles.meters()), "103.3182");
        assert_eq!(meters(palermo, palermo), 0.0);
    }
}
