use candle_core::quantized::GgmlDType;
use half::f16;
use pulp::Arch;

use super::acts::{Acts, Bytes, Quads, Rounded, Words};
use super::*;
use crate::decoder::host::store::in_large_pages;
use crate::models::{Codes, Form, GROUP, Scheme, archs};

const DTYPES: [GgmlDType; 8] = [
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

fn activations(n_rows: usize, width: usize) -> Mat {
    let value = |i: usize| ((i * 7919 + 13) % 2003) as f32 / 400.0 - 2.0;
    Mat {
        data: (0..n_rows * width).map(value).collect(),
        width,
    }
}

/// The sum over some weights of a group of whole products, in steps of the fine part.
fn dot(q: &[u8], x: &Bytes, range: std::ops::Range<usize>, centre: u8) -> f32 {
    let (coarse, fine) = (spread(&x.coarse), spread(&x.fine));
    let sum = |x: &[i32]| -> i32 {
        let product = |j| (i32::from(q[j]) - i32::from(centre)) * x[j];
        range.clone().map(product).sum()
    };
    (254 * sum(&coarse) + sum(&fine)) as f32
}

fn spread(x: &Quads) -> Vec<i32> {
    let bytes = x.quads.iter().flat_map(|quad| quad.to_le_bytes());
    bytes.map(|byte| i32::from(byte as i8)).collect()
}

/// One row of weights times one row of activations, written out.
fn product(codes: &Codes, form: Form, x: &[Rounded<Bytes>]) -> f32 {
    let float = |bits| f16::from_bits(bits).to_f32();
    let mut sum = 0.0f32;
    for (g, (q, x)) in codes.q.chunks_exact(GROUP).zip(x).enumerate() {
        let [d, m] = codes.floats[g / form.scheme.per_block()].map(float);
        let [s, t] = *codes.small.get(g).unwrap_or(&[0, 0]);
        let all = |centre| dot(q, &x.numbers, 0..GROUP, centre);
        sum = match form.scheme {
            Scheme::Centred => all(form.centre()).mul_add(d * x.d, sum),
            Scheme::Shifted => m.mul_add(x.total, all(0).mul_add(d * x.d, sum)),
            Scheme::Nested => {
                let (d, m) = (d * f32::from(s), -(m * f32::from(t)));
                m.mul_add(x.total, all(0).mul_add(d * x.d, sum))
            }
            Scheme::Halved => {
                let (first, second) = (d * f32::from(s as i8), d * f32::from(t as i8));
                let part = |range| dot(q, &x.numbers, range, form.centre());
                let sum = part(0..16).mul_add(first * x.d, sum);
                part(16..GROUP).mul_add(second * x.d, sum)
            }
        };
    }
    sum
}

#[test]
fn products_are_those_of_whole_numbers_to_the_bit() {
    for dtype in DTYPES {
        for (n, k, m) in [(1, 256, 1), (16, 512, 3), (37, 768, 31)] {
            let rows = QuantRows::noise(dtype, n, k);
            let form = rows.form().unwrap();
            let x = activations(m, k);
            let rounded = Acts::new(Arch::new(), 1, &x);
            let mut codes = Codes::default();
            for unit in Unit::all() {
                let lanes = Lanes::pack(unit, vec![rows.clone()], k, None, &Room::none()).unwrap();
                let found = lanes.apply(Arch::new(), 1, &x);
                for j in 0..n {
                    rows.codes(j, &mut codes);
                    for i in 0..m {
                        let x = (0..k / GROUP).map(|g| rounded.rows::<1>(g, i)[0]);
                        let wanted = product(&codes, form, &x.collect::<Vec<_>>());
                        assert_eq!(found.row(i)[j], wanted, "{dtype:?}, {unit:?}, {i}, {j}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_are_close_to_those_in_f32() {
    for dtype in DTYPES {
        let (n, k, m) = (40, 1024, 5);
        let rows = QuantRows::noise(dtype, n, k);
        let x = activations(m, k);
        let bias: Vec<f32> = (0..n).map(|j| j as f32).collect();
        let quant = Quant::new(vec![rows.clone()], k, Some(bias.clone()));
        let wanted = quant.apply(Arch::new(), 1, &x).unwrap();
        let size = wanted.data.iter().map(|v| v * v).sum::<f32>().sqrt();
        for unit in Unit::all() {
            let lanes = Lanes::pack(
                unit,
                vec![rows.clone()],
                k,
                Some(bias.clone()),
                &Room::none(),
            )
            .unwrap();
            let found = lanes.apply(Arch::new(), 1, &x);
            let both = found.data.iter().zip(&*wanted.data);
            let off = both.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
            assert!(off < 5e-5 * size, "{dtype:?}, {unit:?}: {off} of {size}");
        }
    }
}

#[test]
fn a_row_is_the_same_in_any_company_and_on_any_number_of_threads() {
    use GgmlDType::{Q4_1, Q4K, Q6K, Q8_0};
    let k = 256;
    let parts = [(Q4_1, 21), (Q8_0, 5), (Q4K, 64), (Q6K, 300)];
    let parts = parts
        .map(|(dtype, n)| QuantRows::noise(dtype, n, k))
        .to_vec();
    let all = activations(35, k);
    for unit in Unit::all() {
        let lanes = Lanes::pack(unit, parts.clone(), k, None, &Room::none()).unwrap();
        let together = lanes.apply(Arch::new(), 1, &all);
        for team in [2, 5] {
            assert_eq!(lanes.apply(Arch::new(), team, &all).data, together.data);
        }
        for first in 0..35 {
            for n in [1, 2, 4, 15, 16] {
                let some: Vec<_> = (first..(first + n).min(35)).collect();
                let found = lanes.apply(Arch::new(), 1, &all.pick(&some));
                assert_eq!(found.data, together.pick(&some).data, "{first}, {n}");
            }
        }
    }
}

#[test]
fn rounding_is_the_same_on_every_machine() {
    let x = activations(3, 640);
    let all = |acts: &Acts<Bytes>| -> Vec<Rounded<Bytes>> {
        let groups = (0..20).flat_map(|g| (0..3).map(move |row| (g, row)));
        groups.map(|(g, row)| acts.rows::<1>(g, row)[0]).collect()
    };
    let usual = all(&Acts::new(Arch::new(), 1, &x));
    for arch in archs() {
        assert_eq!(all(&Acts::new(arch, 3, &x)), usual);
    }
    for (i, group) in usual.iter().enumerate() {
        let (g, row) = (i / 3, i % 3);
        let Bytes { coarse, fine } = &group.numbers;
        let both = spread(coarse).into_iter().zip(spread(fine));
        let mut total = 0;
        for ((coarse, fine), x) in both.zip(&x.row(row)[g * GROUP..]) {
            let steps = 254 * coarse + fine;
            let off = steps as f32 * group.d - x;
            assert!(off.abs() <= group.d * 0.51, "{off} of {}", group.d);
            total += steps;
        }
        assert_eq!(group.total, group.d * total as f32);
    }
}

#[test]
fn words_are_coarse_and_fine_together() {
    let x = activations(2, 96);
    let (bytes, words) = (
        Acts::<Bytes>::new(Arch::new(), 1, &x),
        Acts::<Words>::new(Arch::new(), 1, &x),
    );
    for g in 0..3 {
        let (bytes, words) = (&bytes.rows::<2>(g, 0)[1], &words.rows::<2>(g, 0)[1]);
        assert_eq!((bytes.d, bytes.total), (words.d, words.total));
        let Bytes { coarse, fine } = &bytes.numbers;
        let both = spread(coarse).into_iter().zip(spread(fine));
        let steps: Vec<_> = both.map(|(coarse, fine)| 254 * coarse + fine).collect();
        for (t, pair) in words.numbers.pairs.iter().enumerate() {
            let at = t / 2 * 4 + t % 2;
            let wanted = [steps[at], steps[at + 2]];
            assert_eq!([i32::from(*pair as i16), pair >> 16], wanted);
        }
        let halves = [&steps[..16], &steps[16..], &steps[..]];
        assert_eq!(
            words.numbers.less,
            halves.map(|half| -half.iter().sum::<i32>())
        );
    }
}

#[test]
fn rows_of_zeros_and_of_huge_numbers_are_rounded() {
    let data = [[0.0; GROUP], [1e38; GROUP]].concat();
    let acts: Acts<Bytes> = Acts::new(
        Arch::new(),
        1,
        &Mat {
            data: data.into(),
            width: 32,
        },
    );
    assert_eq!(acts.rows::<2>(0, 0)[0], Rounded::default());
    assert_eq!(
        acts.rows::<2>(0, 0)[1].numbers.coarse.quads,
        [0x7F7F_7F7F; 8]
    );
    assert_eq!(acts.rows::<2>(0, 0)[1].numbers.fine.quads, [0; 8]);
}

#[test]
fn packed_weights_take_as_much_as_is_said() {
    for dtype in DTYPES {
        let k = 2 * dtype.block_size();
        let parts = [40, 16, 1].map(|n| QuantRows::noise(dtype, n, k));
        let form = Form::of(dtype).unwrap();
        let n_bytes = parts.iter().map(|rows| n_bytes(form, rows.n, k)).sum();
        for unit in Unit::all() {
            let pack = |room: Room<'_>| Lanes::pack(unit, parts.to_vec(), k, None, &room).unwrap();
            assert!(
                in_large_pages(n_bytes, pack).is_in_large_pages(),
                "{dtype:?}"
            );
            assert!(
                !in_large_pages(n_bytes - 1, pack).is_in_large_pages(),
                "{dtype:?}"
            );
        }
    }
}
