// What nodes send to the owners of shards.
#pragma once

#include "gossip/mesh/legs.h"

namespace starling::gossip {

// p_i = e_i + u_i is sent as C(p_i), and e_i becomes p_i - C(p_i): error feedback ("EF14", MEM-SGD:
// Stich, Cordonnier, Jaggi 2018, 1809.07599, Algorithm 1; up leg of DoubleSqueeze). u is the
// update, rate and all, so that e keeps its meaning while the rate changes. Where data differ the
// iterates stay at a distance of the rate squared. State: e_i, d floats. Any contractive C.
std::unique_ptr<UpLeg> make_error_feedback_up(LegInputs inputs);

struct ShiftOptions {
  double alpha = 1;     // how much of a message the shift takes
  double eta = 0;       // gain of the feedback
  double momentum = 1;  // weight of the newest gradient in what is sent
};

// What is sent is the difference to a shift h_i, which the owner of each shard knows:
//
//   v_i <- (1 - momentum) v_i + momentum g_i
//   c_i = C(η e_i + v_i - h_i);  e_i += v_i - h_i - c_i;  h_i += α c_i
//   owner: mean_j (h_j + c_j), with the h_j of before
//
// α = 1, η = 0: EF21 (Richtárik, Sokolov, Fatkhullin 2021, 2106.05203, Algorithm 2), exact where
// data differ; with momentum EF21-SGDM (Fatkhullin, Tyurin, Richtárik 2023, 2305.15155, Algorithm
// 1), for small batches. η > 0: EControl (Gao, Islamov, Stich 2024, 2311.05645, Algorithm 1); η =
// 1, its naive form, diverges. An unbiased C with α = 1 / (1 + ω): DIANA (Mishchenko et al. 2019,
// 1901.09269, Algorithm 1). g is the update divided by its rate.
//
// Where not all take part (participation.h) c_j counts 1 / p_j times in the mean, and as ever in
// h_j.
//
// A node that is away sends c = 0 and keeps its place in the mean (EF21-PP, Fatkhullin et al. 2021,
// 2110.03294); one whose edge begins anew has h = 0 at both ends. State: h_i, e_i with η and v_i
// with momentum, of d floats each, and the owner's h_j, d floats together.
std::unique_ptr<UpLeg> make_shifted_up(LegInputs inputs, const ShiftOptions& options);

// C(u_i), and nothing kept: compressed SGD. Unbiased C. Pieces count 1 / p_i times
// (participation.h).
std::unique_ptr<UpLeg> make_plain_up(LegInputs inputs);

}  // namespace starling::gossip
