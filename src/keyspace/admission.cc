#include "keyspace/admission.h"

#include <algorithm>

#include "base/assert.h"
#include "base/reached.h"

namespace diskdb::keyspace {
namespace {

constexpr std::uint64_t kEstimateMin = 128;
constexpr std::uint64_t kDecay = 16;  // values it takes to forget a large one, about

}  // namespace

void Admission::set_budget(std::uint64_t bytes) {
  const std::lock_guard lock(m_);
  budget_ = bytes;
  change_bytes(bytes_);
  grant_waiting();
}

bool Admission::admit(Claim& claim, std::size_t key_count) {
  const std::lock_guard lock(m_);
  ASSERT(claim.admission == nullptr);
  claim.admission = this;
  claim.awaited_count = key_count;
  if (waiting_.empty() && has_room(claim)) {
    grant(claim);
    return true;
  }
  REACHED("admission: a command waits for room");
  claim.is_queued.store(true, std::memory_order_relaxed);
  waiting_.push_back(&claim);
  return false;
}

void Admission::note(Claim& claim, std::size_t bytes) {
  const std::lock_guard lock(m_);
  const std::uint64_t now = estimate();
  estimate_.store(bytes >= now ? bytes : std::max(kEstimateMin, now - (now - bytes) / kDecay),
                  std::memory_order_relaxed);
  std::uint64_t known = claim.bytes;
  if (claim.awaited_count > 0) {  // else one more than was thought: a key became cold meanwhile
    --claim.awaited_count;
    known -= claim.estimate;
  }
  change_bytes(bytes_ - claim.bytes + known + bytes);
  claim.bytes = known + bytes;
}

void Admission::leave(Claim& claim) {
  const std::lock_guard lock(m_);
  ASSERT(claim.admission == this);
  claim.admission = nullptr;
  if (claim.is_queued.exchange(false, std::memory_order_relaxed)) {
    std::erase(waiting_, &claim);
  } else {
    std::erase(admitted_, &claim);
    change_bytes(bytes_ - claim.bytes);
    claim.bytes = 0;
  }
  grant_waiting();
}

bool Admission::is_eldest(const Claim& claim) const {
  const std::lock_guard lock(m_);
  return !admitted_.empty() && admitted_.front() == &claim;
}

bool Admission::has_room(const Claim& claim) const {
  return admitted_.empty() || bytes_ + claim.awaited_count * estimate() <= budget_;
}

void Admission::grant(Claim& claim) {
  claim.estimate = estimate();
  claim.bytes = claim.awaited_count * claim.estimate;
  admitted_.push_back(&claim);
  change_bytes(bytes_ + claim.bytes);
}

void Admission::grant_waiting() {
  while (!waiting_.empty() && has_room(*waiting_.front())) {
    Claim& claim = *waiting_.front();
    waiting_.pop_front();
    grant(claim);
    claim.is_queued.store(false, std::memory_order_release);
    claim.waker.wake();
  }
}

void Admission::change_bytes(std::uint64_t bytes) {
  bytes_ = bytes;
  bytes_max_ = std::max(bytes_max_, bytes_);
  is_over_.store(bytes_ > budget_, std::memory_order_relaxed);
}

std::uint64_t Admission::reserved_bytes() const {
  const std::lock_guard lock(m_);
  return bytes_;
}

std::uint64_t Admission::reserved_bytes_max() const {
  const std::lock_guard lock(m_);
  return bytes_max_;
}

std::size_t Admission::waiting_count() const {
  const std::lock_guard lock(m_);
  return waiting_.size();
}

void Admission::verify_invariants() const {
  const std::lock_guard lock(m_);
  std::uint64_t sum = 0;
  for (const Claim* claim : admitted_) sum += claim->bytes;
  ASSERT(sum == bytes_);                           // I1
  ASSERT(waiting_.empty() || !admitted_.empty());  // I2
}

}  // namespace diskdb::keyspace
