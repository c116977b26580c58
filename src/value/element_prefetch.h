// value/element_prefetch.h — asks the processor for what a look-up in an object will touch, before
// the look-up.
//
// Problem: in a set of a million members each look-up waits for three or four misses of the cache,
// one after the other, since each line says where the next one is; that is most of what it costs.
// Idea: a pipeline brings many commands at once. Their look-ups are rehearsed side by side: a step
// touches only what the step before it, of the same look-up, has asked for, and in between the
// steps of the others are taken. So the misses of all overlap, and the commands then find
// everything near. Cost: about as many instructions as the look-up itself; wrong guesses cost no
// more.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "value/object.h"

namespace diskdb::value {

/// Threads: as the object, which must not change while steps are taken.
class ElementPrefetch {
 public:
  /// Begins with the object itself. Borrows it, not `member`: what will be looked for in a set,
  /// hash or sorted set; null if nothing in particular will. `score`: that the member of a sorted
  /// set will have. `fingers`: borrowed, may be null; gets where the look-ups come to.
  void begin(const Object& object, Bytes member, std::optional<double> score, Fingers* fingers);
  /// The same for an object that another look-up has begun with: false if nothing is left to ask
  /// for.
  bool begin_beside(const Object& object, Bytes member, std::optional<double> score,
                    Fingers* fingers);
  /// False: nothing is left to ask for.
  bool step();

 private:
  enum class Next : std::uint8_t {
    kObject,
    kSmallPage,
    kSmallEntry,
    kTrees,
    kTree,
    kWay,
    kScore,
    kNewScore,
  };

  void set_out(const Object& object, Bytes member, std::optional<double> score, Fingers* fingers);
  bool has_way() const;
  bool begin_way(Next way, const CountedTree& tree, std::uint64_t key);
  bool begin_new_score();

  const Object* object_ = nullptr;
  Fingers* fingers_ = nullptr;
  std::uint64_t hash_ = 0;
  std::optional<double> score_;
  bool has_member_ = false;
  std::uint16_t place_ = 0;  ///< of the member in a small hash, a guess
  std::uint8_t tag_ = 0;     ///< of the member
  Next next_ = Next::kObject;
  CountedTree::Prefetch way_;
};

}  // namespace diskdb::value
