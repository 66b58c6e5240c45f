// The regularised lower incomplete gamma function P(a, x) = γ(a, x)/Γ(a), and its inverse.
//
// Made of libm functions, whose last bit differs between machines: for choices of the sender alone.
#pragma once

namespace starling::compress {

// a > 0, x >= 0; to about 1e-13. Series below a + 1, Lentz's continued fraction above (Abramowitz
// and Stegun 6.5.29 and 6.5.31).
double gamma_p(double a, double x);

// The x with gamma_p(a, x) = p, 0 <= p < 1; to about 1e-12 of x. Newton's method between bounds.
double inverse_gamma_p(double a, double p);

}  // namespace starling::compress
