#include "keyspace/stored_piece.h"

#include "keyspace/place.h"
#include "store/format.h"

namespace diskdb::keyspace {
namespace {

// Values are read with their keys, so large ones make a piece short.
constexpr std::size_t kBytesPerPiece = 1 << 20;

}  // namespace

Status StoredPiece::read(store::Store& store, const Sighting& sighting, std::uint64_t begin,
                         std::uint64_t end, std::size_t keys_max) {
  sighting_ = sighting;
  keys_.clear();
  entries_.clear();
  next_ = 0;
  begin_ = end_ = begin;
  std::string to;
  store::encode_record_bound(place_of(sighting.generation, begin), &bound_);
  store::encode_record_bound(place_of(sighting.generation, end), &to);
  std::size_t bytes = 0;
  std::uint64_t reached = end;
  Status status;
  const Status scanned = store.scan(bound_, to, [&](Bytes encoded_key, Bytes encoded_record) {
    const bool is_full = entries_.size() >= keys_max || bytes >= kBytesPerPiece;
    status = add(encoded_key, encoded_record);
    if (!status.ok()) return false;
    bytes += encoded_key.size() + encoded_record.size();
    const std::size_t count = entries_.size();
    if (!is_full || entries_[count - 2].order == entries_[count - 1].order) return true;
    reached = entries_.back().order;  // I1: the first key of the next piece
    entries_.pop_back();
    return false;
  });
  if (status.ok()) status = scanned;
  if (status.ok()) end_ = reached;
  return status;
}

Status StoredPiece::add(Bytes encoded_key, Bytes encoded_record) {
  TRY_LET(const store::RecordKey key, store::decode_record_key(encoded_key));
  TRY_LET(const store::StoredRecord record, store::decode_record(encoded_record));
  if (record.type > static_cast<std::uint8_t>(Type::kStream)) {
    return {Code::kCorrupt, "the store holds a record of an unknown type"};
  }
  entries_.push_back({.order = order_of(key.place),
                      .key_offset = keys_.size(),
                      .key_size = key.key.size(),
                      .type = static_cast<Type>(record.type),
                      .expiry = record.expiry,
                      .object = record.object});
  keys_.append(key.key);
  return {};
}

}  // namespace diskdb::keyspace
