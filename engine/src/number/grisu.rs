//! Digits of a double that read back, by the algorithm Grisu2.
//!
//! Redis 7.2 and later find digits in this way (Florian Loitsch, "Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", 2010). In one case of a thousand they are not the shortest or not the nearest ones, so
//! that another algorithm would give other replies. Start at [`digits_of`].

/// A number as `fraction * 2^exponent`.
#[derive(Clone, Copy)]
struct Wide {
    fraction: u64,
    exponent: i32,
}

/// The digits of a positive finite double, and the power of ten that the last of them stands for.
pub(super) fn digits_of(number: f64, digits: &mut [u8; DIGITS_MAX]) -> (usize, i32) {
    let exact = Wide::of(number);
    let upper = Wide { fraction: (exact.fraction << 1) + 1, exponent: exact.exponent - 1 }.normalized();
    // Below a power of two the doubles are twice as dense.
    let shift = if exact.fraction == HIDDEN_BIT { 2 } else { 1 };
    let lower = Wide { fraction: (exact.fraction << shift) - 1, exponent: exact.exponent - shift };
    let lower = Wide { fraction: lower.fraction << (lower.exponent - upper.exponent), exponent: upper.exponent };
    let (power, tens) = power_for(upper.exponent);
    let exact = exact.normalized().times(power);
    let mut upper = upper.times(power);
    let mut lower = lower.times(power);
    // The products are off by less than one unit: keep to what is inside for certain.
    upper.fraction -= 1;
    lower.fraction += 1;
    let (len, place) = generate(exact, upper, lower, digits);
    (len, place - tens)
}

/// Digits of `upper` until they are also above `lower`, then down towards `exact`.
fn generate(exact: Wide, upper: Wide, lower: Wide, digits: &mut [u8; DIGITS_MAX]) -> (usize, i32) {
    let above = upper.fraction - exact.fraction;
    let mut span = upper.fraction - lower.fraction;
    let point = -upper.exponent;
    let one = 1_u64 << point;
    let (mut whole, mut rest) = (upper.fraction >> point, upper.fraction & (one - 1));
    let mut len = 0;
    for place in (0..10).rev() {
        let unit = 10_u64.pow(place);
        let digit = whole / unit;
        if digit > 0 || len > 0 {
            digits[len] = b'0' + digit as u8;
            len += 1;
        }
        whole -= digit * unit;
        let left = (whole << point) + rest;
        if left <= span {
            approach(&mut digits[..len], span, left, unit << point, above);
            return (len, place.cast_signed());
        }
    }
    let (mut place, mut scale) = (0, 1_u64);
    loop {
        rest *= 10;
        span = span.wrapping_mul(10);
        scale = scale.wrapping_mul(10);
        place -= 1;
        let digit = rest >> point;
        if digit > 0 || len > 0 {
            digits[len] = b'0' + digit as u8;
            len += 1;
        }
        rest &= one - 1;
        if rest < span {
            approach(&mut digits[..len], span, rest, one, above.wrapping_mul(scale));
            return (len, place);
        }
    }
}

/// Lowers the last digit while that comes closer to the exact number and stays inside.
fn approach(digits: &mut [u8], span: u64, mut left: u64, unit: u64, above: u64) {
    let Some(last) = digits.last_mut() else { return };
    while left < above && span - left >= unit && (left + unit < above || above - left > left + unit - above) {
        *last -= 1;
        left += unit;
    }
}

impl Wide {
    fn of(number: f64) -> Self {
        let bits = number.to_bits();
        let fraction = bits & (HIDDEN_BIT - 1);
        match (bits >> 52) as i32 & 0x7ff {
            0 => Self { fraction, exponent: 1 - EXPONENT_BIAS },
            exponent => Self { fraction: fraction | HIDDEN_BIT, exponent: exponent - EXPONENT_BIAS },
        }
    }

    const fn normalized(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Self { fraction: self.fraction << shift, exponent: self.exponent - shift as i32 }
    }

    /// The upper half of the product, rounded.
    const fn times(self, other: Self) -> Self {
        let product = self.fraction as u128 * other.fraction as u128 + (1 << 63);
        Self { fraction: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// A power of ten that brings a number with this exponent to one between -60 and -32, and which power that is.
fn power_for(exponent: i32) -> (Wide, i32) {
    let approximation = (f64::from(-(exponent + POWERS.len() as i32)) * std::f64::consts::LOG10_2) as i32;
    let mut index = (approximation - FIRST_POWER) / POWER_STEP;
    loop {
        let tens = FIRST_POWER + index * POWER_STEP;
        // The floor of the logarithm to base two, as all powers of the table have it.
        let power = Wide { fraction: POWERS[index as usize], exponent: ((tens * 217_706) >> 16) - 63 };
        match exponent + power.exponent + 64 {
            ..-60 => index += 1,
            -31.. => index -= 1,
            _ => return (power, tens),
        }
    }
}

/// More digits than any double needs.
pub(super) const DIGITS_MAX: usize = 20;

const HIDDEN_BIT: u64 = 1 << 52;
const EXPONENT_BIAS: i32 = 1023 + 52;

const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// Every eighth power of ten from 10^-348 on, as 64 bits of which the first is set, rounded.
#[rustfmt::skip]
const POWERS: [u64; 87] = [
    0xfa8f_d5a0_081c_0288, 0xbaae_e17f_a23e_bf76, 0x8b16_fb20_3055_ac76, 0xcf42_894a_5dce_35ea,
    0x9a6b_b0aa_5565_3b2d, 0xe61a_cf03_3d1a_45df, 0xab70_fe17_c79a_c6ca, 0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c, 0x8dd0_1fad_907f_fc3c, 0xd351_5c28_3155_9a83, 0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb, 0xaecc_4991_4078_536d, 0x823c_1279_5db6_ce57, 0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f, 0xd774_85cb_2582_3ac7, 0xa086_cfcd_97bf_97f4, 0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e, 0x84c8_d4df_d2c6_3f3b, 0xc5dd_4427_1ad3_cdba, 0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584, 0xa3ab_6658_0d5f_daf6, 0xf3e2_f893_dec3_f126, 0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b, 0xc9bc_ff60_34c1_3053, 0x964e_858c_91ba_2655, 0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f, 0xf8a9_5fcf_8874_7d94, 0xb944_7093_8fa8_9bcf, 0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6, 0x993f_e2c6_d07b_7fac, 0xe45c_10c4_2a2b_3b06, 0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e, 0xbce5_0864_9211_1aeb, 0x8cbc_cc09_6f50_88cc, 0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000, 0xe8d4_a510_0000_0000, 0xad78_ebc5_ac62_0000, 0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3, 0x8f7e_32ce_7bea_5c70, 0xd5d2_38a4_abe9_8068, 0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27, 0xb0de_6538_8cc8_ada8, 0x83c7_088e_1aab_65db, 0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758, 0xda01_ee64_1a70_8dea, 0xa26d_a399_9aef_774a, 0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877, 0x865b_8692_5b9b_c5c2, 0xc835_53c5_c896_5d3d, 0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3, 0xa59b_c234_db39_8c25, 0xf6c6_9a72_a398_9f5c, 0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2, 0xcc20_ce9b_d35c_78a5, 0x9816_5af3_7b21_53df, 0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396, 0xfb9b_7cd9_a4a7_443c, 0xbb76_4c4c_a7a4_4410, 0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c, 0x9b10_a4e5_e991_3129, 0xe710_9bfb_a19c_0c9d, 0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85, 0xbf21_e440_03ac_dd2d, 0x8e67_9c2f_5e44_ff8f, 0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9, 0xeb96_bf6e_badf_77d9, 0xaf87_023b_9bf0_ee6b,
];
