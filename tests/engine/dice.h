// What decides in random walks.
#pragma once

#include <cstdint>
#include <random>

namespace entente::engine::test {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  size_t Below(size_t bound) { return engine_() % bound; }
  bool Chance(size_t percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace entente::engine::test
