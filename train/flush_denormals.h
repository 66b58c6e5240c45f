// Numbers below the smallest normal float count as zero while this lives, on the calling thread.
//
// The gradients of a well fitted model and the momentum of a dead unit end there, and x86 computes
// with such numbers in microcode: measured, a local step became three times slower. Only the
// trainers use it, so the arithmetic of gossip/ and compress/ stays as IEEE 754 has it. Elsewhere
// than on x86 it does nothing.
#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace starling::train {

class FlushDenormals {
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

#if defined(__SSE__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushResults | kZeroOperands); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushResults = 0x8000;
  static constexpr unsigned kZeroOperands = 0x0040;
  unsigned before_;
#else
  FlushDenormals() {}
  ~FlushDenormals() {}
#endif
};

}  // namespace starling::train
