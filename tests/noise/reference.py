#!/usr/bin/env python3
"""Reference samples of the discrete Laplace distribution, written from the paper.

    python3 tests/noise/reference.py > tests/noise/vectors.txt

Made from: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020),
algorithm 1 (Bernoulli(exp(-gamma))) and algorithm 2 (the discrete Laplace distribution of scale
t/s). Nothing is taken from the Rust sources; gamma is a Fraction, numbers are unbounded integers.

The paper leaves open how uniform numbers come from random bits. Both sides agree on this:

- Random bits are 64-bit words of splitmix64 (Steele, Lea, Flood, OOPSLA 2014) from a seed.
- Uniform below n: nothing is taken for n = 1. Else n <= 2^64 takes one word, a larger n two, the
  first being the high half. With N = 2^64 or 2^128, a number at or above n * (N // n) is thrown away
  and taken again; the result is the number modulo n.
- Bernoulli(gamma/K) with gamma = a/b is "uniform below b K, less than a"; gamma = U/t is not reduced.
- The sign is 1 for negative.

Each line of the output is: t s seed words, then the samples; `words` is how many words they took.
"""

from fractions import Fraction

SAMPLES = 100
MASK = (1 << 64) - 1

# Scales t/s: the gate and the flags at 24 h and 1 h, small and odd ratios, the default clamp over
# epsilon at 24 h, 1 h and with an epsilon of 0.7, and numerators beyond one word.
SCALES = [
    (1, 1), (2, 1), (4, 1), (48, 1), (96, 1),
    (1, 3), (3, 2), (7, 2), (5, 64), (1000, 7),
    (50 << 30, 1), (24 * 50 << 30, 1), (24 * 500 << 30, 7),
    (1 << 64, 1), ((1 << 64) + 1, 3), ((1 << 97) - 1, 1_000_000_007), (1 << 112, (1 << 52) + 1),
]


class Words:
    """splitmix64."""

    def __init__(self, seed):
        self.state, self.taken = seed, 0

    def word(self):
        self.taken += 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        if n == 1:
            return 0
        count = 1 if n <= 1 << 64 else 2
        everything = 1 << (64 * count)
        while True:
            number = 0
            for _ in range(count):
                number = (number << 64) | self.word()
            if number < n * (everything // n):
                return number % n


def bernoulli_exp(words, a, b):
    """Algorithm 1, for gamma = a/b in [0, 1]."""
    assert 0 <= Fraction(a, b) <= 1
    k = 1
    while words.below(b * k) < a:  # Bernoulli(gamma / k)
        k += 1
    return k % 2 == 1


def discrete_laplace(words, t, s):
    """Algorithm 2: P(x) proportional to exp(-|x| s / t)."""
    while True:
        u = words.below(t)
        if not bernoulli_exp(words, u, t):
            continue
        v = 0
        while bernoulli_exp(words, 1, 1):
            v += 1
        y = (u + t * v) // s
        negative = words.below(2) == 1
        if negative and y == 0:
            continue
        return -y if negative else y


def main():
    for at, (t, s) in enumerate(SCALES):
        ratio = Fraction(t, s)
        assert (ratio.numerator, ratio.denominator) == (t, s), "in lowest terms"
        words = Words(2020 + at)
        samples = [discrete_laplace(words, t, s) for _ in range(SAMPLES)]
        print(t, s, 2020 + at, words.taken, *samples)


if __name__ == "__main__":
    main()
