//! Geometry on the surface of the earth, as the geo commands have it.
//!
//! Lives here: positions as scores of sorted sets ([`hash`]), distances ([`distance`]), and areas with the cells that
//! cover them ([`area`]). What does not: sorted sets, commands. Everything is computed in the reference's order, since
//! results show all digits.

pub mod area;
pub mod distance;
pub mod hash;

/// A position in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Degrees east, from -180 to 180.
    pub longitude: f64,
    /// Degrees north, from -85.05112878 to 85.05112878, which is what Web Mercator shows.
    pub latitude: f64,
}

impl Point {
    /// The position, if it is one that can be stored.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_valid =
            (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&longitude) && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&latitude);
        is_valid.then_some(Self { longitude, latitude })
    }

    /// The middle of several positions on a sphere: where the sum of their vectors points to.
    pub fn middle(points: &[Self]) -> Self {
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for point in points {
            let (longitude, latitude) = (radians(point.longitude), radians(point.latitude));
            x += latitude.cos() * longitude.cos();
            y += latitude.cos() * longitude.sin();
            z += latitude.sin();
        }
        Self { longitude: degrees(y.atan2(x)), latitude: degrees(z.atan2((x * x + y * y).sqrt())) }
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / DEGREE
}

const DEGREE: f64 = std::f64::consts::PI / 180.0;
const LONGITUDE_MAX: f64 = 180.0;
const LATITUDE_MAX: f64 = 85.051_128_78;
