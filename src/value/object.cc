#include "value/object.h"

#define XXH_INLINE_ALL
#include <xxhash.h>  // tidy: allow door: members are hashed below keyspace/

#include <algorithm>
#include <cstring>

#include "base/reached.h"

namespace diskdb::value {
namespace {

constexpr std::size_t kExtentBytes = 10;        // of a string, in its root
constexpr std::size_t kStreamExtentBytes = 72;  // of a stream

constexpr PageShape small_shape(Layout layout) {
  switch (layout) {
    case Layout::kMembers:
      return {.key_bytes = 1};
    case Layout::kPairs:
      return {.is_pairs = true};
    case Layout::kScores:
      return {.key_bytes = 8};
    default:
      return {};
  }
}

constexpr PageShape tree_shape(Layout layout) {
  switch (layout) {
    case Layout::kSequence:
    case Layout::kChunks:
      return {};
    case Layout::kPairs:
      return {.key_bytes = 8, .is_pairs = true};
    default:  // of streams: the milliseconds of the id; the rest of it begins the entry
      return {.key_bytes = 8};
  }
}

/// What a string's page aims at: a chunk, its length, the headers of the page and of its block.
constexpr std::size_t string_page_bytes(std::uint32_t chunk_bytes) { return chunk_bytes + 34; }
static_assert(string_page_bytes(kChunkBytes) == 4096);

// A hash's expiries: (expiry, hash of the field), and an ordinal for those that are equal.
constexpr PageShape kDatesShape{.key_bytes = 16};
constexpr PageIds kDatesIds{.first = kDatesFirstId, .step = 1};
constexpr PageKey kBehindAllDates{UINT64_MAX, UINT64_MAX};

// A stream's groups and what else it has beside its entries.
constexpr PageShape kStateShape{.key_bytes = 16, .is_pairs = true};
constexpr std::size_t kStreamPageBytes = 4096;    // they grow at one end: fewer headers and frames
constexpr KeyForm kStreamKeys = KeyForm::kShort;  // their milliseconds are close together
constexpr PageIds kEntryIds{.first = 1, .step = 2};
constexpr PageIds kStateIds{.first = 2, .step = 2};

PageKey date_key(Millis expiry, std::uint64_t field_hash) {
  return {static_cast<std::uint64_t>(expiry.count), field_hash};
}

/// The block that `page` lies in, with room for `size` bytes, unshared.
void make_room(SharedBytes* page, std::size_t size) {
  if (page->is_unique() && size <= page->capacity()) [[likely]]
    return;
  SharedBytes larger = PageFrames::new_page(size);
  const std::size_t used = PageView(page->data()).size();
  std::memcpy(larger.writable(), page->data(), std::min(used, size));
  *page = std::move(larger);
}

void append_extent(const StreamExtent& extent, std::string* out) {
  const std::uint64_t words[] = {
      extent.last_id.ms,         extent.last_id.seq,   extent.max_deleted_id.ms,
      extent.max_deleted_id.seq, extent.added_count,   extent.counted_from,
      extent.next_group,         extent.next_consumer, extent.next_names};
  static_assert(sizeof words == kStreamExtentBytes);
  out->append(reinterpret_cast<const char*>(words), sizeof words);
}

/// Requires: kStreamExtentBytes.
StreamExtent decode_extent(Bytes encoded) {
  std::uint64_t words[kStreamExtentBytes / 8];
  std::memcpy(words, encoded.data(), sizeof words);
  return {.last_id = {words[0], words[1]},
          .max_deleted_id = {words[2], words[3]},
          .added_count = words[4],
          .counted_from = words[5],
          .next_group = words[6],
          .next_consumer = words[7],
          .next_names = words[8]};
}

Status corrupt(const char* what) { return {Code::kCorrupt, std::string("object: ") + what}; }

}  // namespace

std::uint64_t member_hash(Bytes member) { return XXH3_64bits(member.data(), member.size()); }

void append_object_root(const ObjectRoot& root, std::string* out) {
  std::string tree;
  append_tree_root(root.tree, &tree);
  ASSERT(tree.size() < 256);
  out->push_back(static_cast<char>(tree.size()));
  out->append(tree);
  if (root.stream) append_extent(*root.stream, out);
  if (root.index) append_tree_root(*root.index, out);
  if (!root.string) return;
  char extent[kExtentBytes];
  std::memcpy(extent, &root.string->bytes, 8);
  std::memcpy(extent + 8, &root.string->chunk_bytes, 2);
  out->append(extent, sizeof extent);
}

Result<ObjectRoot> decode_object_root(Layout layout, ObjectId id, Bytes encoded) {
  if (encoded.empty()) return corrupt("no root");
  const auto size = static_cast<unsigned char>(encoded[0]);
  encoded.remove_prefix(1);
  if (size > encoded.size()) return corrupt("a root too short");
  ObjectRoot root{.id = id, .tree = {}};
  TRY_LET(root.tree, decode_tree_root(encoded.substr(0, size)));
  encoded.remove_prefix(size);
  if (layout == Layout::kStream) {
    if (encoded.size() < kStreamExtentBytes) return corrupt("a stream without its extent");
    root.stream = decode_extent(encoded.substr(0, kStreamExtentBytes));
    TRY_LET(root.index, decode_tree_root(encoded.substr(kStreamExtentBytes)));
  } else if (layout == Layout::kChunks) {
    if (encoded.size() != kExtentBytes) return corrupt("a string without its size");
    StringExtent& extent = root.string.emplace(StringExtent{.bytes = 0, .chunk_bytes = 0});
    std::memcpy(&extent.bytes, encoded.data(), 8);
    std::memcpy(&extent.chunk_bytes, encoded.data() + 8, 2);
    if (extent.chunk_bytes == 0 || extent.chunk_bytes > kChunkBytes ||
        extent.bytes > kPageNumberMax || extent.chunk_count() != root.tree.count) {
      return corrupt("a string whose size is at odds with its chunks");
    }
  } else if (!encoded.empty()) {
    TRY_LET(root.index, decode_tree_root(encoded));
  }
  return root;
}

// ---- Object

Object* Object::create(Layout layout) {
  ASSERT(layout != Layout::kChunks && layout != Layout::kStream);
  auto* object = new Object(layout);
  object->page_ = PageFrames::new_page(kPageHeaderBytes);
  page_begin(object->page_.writable(), small_shape(layout));
  object->page_.set_size(kPageHeaderBytes);
  return object;
}

Object* Object::create_string(ObjectId id, std::uint32_t chunk_bytes) {
  ASSERT(id.number != 0);
  ASSERT(chunk_bytes > 0 && chunk_bytes <= kChunkBytes);
  auto* object = new Object(Layout::kChunks);
  object->trees_ = std::make_unique<Trees>();
  object->trees_->id = id;
  object->trees_->tree =
      std::make_unique<CountedTree>(tree_shape(Layout::kChunks), string_page_bytes(chunk_bytes));
  object->trees_->extent.chunk_bytes = chunk_bytes;
  return object;
}

Object* Object::create_stream(ObjectId id, const PageEdit& edit) {
  ASSERT(id.number != 0);
  auto* object = new Object(Layout::kStream);
  object->trees_ = std::make_unique<Trees>();
  Trees& trees = *object->trees_;
  trees.id = id;
  trees.tree = std::make_unique<CountedTree>(tree_shape(Layout::kStream), kStreamPageBytes,
                                             kEntryIds, kStreamKeys);
  trees.stream.reset(
      new StreamParts{.state = CountedTree(kStateShape, kTreePageBytes, kStateIds), .extent = {}});
  trees.tree->insert({}, Entry::whole({}), edit);  // I4
  trees.stream->state.insert({}, Entry::pair({}, {}), edit);
  return object;
}

Result<Object*> Object::create_small(Layout layout, std::uint8_t traits, Bytes page) {
  if (layout == Layout::kChunks) return corrupt("a string as one page");
  if (layout == Layout::kStream) return corrupt("a stream as one page");
  TRY(verify_page(page));
  const PageView view(page);
  PageShape shape = small_shape(layout);
  if (layout == Layout::kMembers)
    shape.key_bytes = view.has_tags() ? 1 : 0;  // older ones have none
  if (view.shape() != shape) {
    return corrupt("a page of another shape");
  }
  if (view.count() == 0) return corrupt("an empty page");
  if (layout == Layout::kScores && !is_ordered(view)) return corrupt("a page out of order");
  auto* object = new Object(layout);
  object->traits_ = traits;
  object->page_ = PageFrames::new_page(page.size());
  std::memcpy(object->page_.writable(), page.data(), page.size());
  object->page_.set_size(page.size());
  return object;
}

Result<Object*> Object::create_large(Layout layout, std::uint8_t traits, const ObjectRoot& root) {
  constexpr PageShape kIndexShape{.key_bytes = 8, .is_pairs = true};
  const bool is_sorted_set = layout == Layout::kScores;
  const bool is_stream = layout == Layout::kStream;
  const bool has_dates = layout == Layout::kPairs && root.index.has_value();
  if (root.id.number == 0 || root.tree.count == 0 || root.tree.leaf_shape != tree_shape(layout) ||
      root.index.has_value() != (is_sorted_set || has_dates || is_stream) ||
      root.string.has_value() != (layout == Layout::kChunks) ||
      root.stream.has_value() != is_stream) {
    return corrupt("a root of another kind");
  }
  if (is_stream && (root.index->leaf_shape != kStateShape || root.index->count == 0 ||
                    root.tree.next_id % 2 != 1 || root.index->next_id % 2 != 0)) {
    return corrupt("a stream whose trees do not fit");
  }
  if (has_dates && (root.index->leaf_shape != kDatesShape || root.index->count == 0 ||
                    root.index->count > root.tree.count + 1 ||
                    root.index->next_id <= kDatesFirstId || root.tree.next_id > kDatesFirstId)) {
    return corrupt("a hash whose trees do not fit");
  }
  if (is_sorted_set &&
      (root.index->leaf_shape != kIndexShape || root.index->count != root.tree.count ||
       root.tree.next_id % 2 != 1 || root.index->next_id % 2 != 0)) {
    return corrupt("a sorted set whose trees do not fit");
  }
  auto* object = new Object(layout);
  object->traits_ = traits;
  object->is_stored_ = true;
  object->trees_ = std::make_unique<Trees>();
  object->trees_->id = root.id;
  if (is_sorted_set) {
    object->trees_->scores = std::make_unique<SortedSet>(root.tree, *root.index);
  } else if (root.string) {
    object->trees_->tree =
        std::make_unique<CountedTree>(root.tree, string_page_bytes(root.string->chunk_bytes));
    object->trees_->extent = *root.string;
  } else if (root.stream) {
    object->trees_->tree =
        std::make_unique<CountedTree>(root.tree, kStreamPageBytes, kEntryIds, kStreamKeys);
    object->trees_->stream.reset(new StreamParts{
        .state = CountedTree(*root.index, kTreePageBytes, kStateIds), .extent = *root.stream});
  } else {
    object->trees_->tree = std::make_unique<CountedTree>(root.tree);
  }
  if (has_dates) {
    object->trees_->dates = std::make_unique<CountedTree>(*root.index, kTreePageBytes, kDatesIds);
  }
  return object;
}

void Object::drop() {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

std::uint64_t Object::count() const { return is_small() ? page().count() : tree().count(); }

ObjectRoot Object::root() const {
  ObjectRoot root{.id = id(), .tree = tree().root()};
  if (layout_ == Layout::kScores) root.index = trees_->scores->trees()[1]->root();
  if (layout_ == Layout::kChunks) root.string = trees_->extent;
  if (layout_ == Layout::kStream) {
    root.index = trees_->stream->state.root();
    root.stream = trees_->stream->extent;
  }
  if (has_dates()) root.index = trees_->dates->root();
  return root;
}

std::size_t Object::tree_count() const {
  return layout_ == Layout::kScores || layout_ == Layout::kStream || has_dates() ? 2 : 1;
}

CountedTree& Object::tree_number(std::size_t number) const {
  if (layout_ == Layout::kScores) return *trees_->scores->trees()[number];
  if (number == 0) return *trees_->tree;
  return layout_ == Layout::kStream ? trees_->stream->state : *trees_->dates;
}

bool Object::take_dirty(std::uint32_t cut_epoch, std::size_t count_max, TakeCursor* cursor,
                        std::vector<PageImage>* images) {
  for (; cursor->tree < tree_count(); ++cursor->tree, cursor->at.reset()) {
    CountedTree& tree = tree_number(cursor->tree);
    if (!cursor->at) cursor->at = tree.dirty_page_count();
    if (*cursor->at == 0) continue;
    tree.take_dirty(cut_epoch, count_max, &*cursor->at, images);
    if (*cursor->at != 0) return true;
  }
  return false;
}

void Object::mark_dirty_since(std::uint32_t ingested_epoch) {
  for (std::size_t i = 0; i < tree_count(); ++i) tree_number(i).mark_dirty_since(ingested_epoch);
}

std::size_t Object::evict_some(std::size_t bytes, std::uint32_t ingested_epoch) {
  std::size_t freed = 0;
  for (std::size_t i = 0; i < tree_count() && freed < bytes; ++i) {
    freed += tree_number(i).evict_some(bytes - freed, ingested_epoch, &trees_->evict_cursors[i]);
  }
  if (freed > 0 && has_totals()) trees_->totals->may_be_cold = true;
  return freed;
}

std::size_t Object::resident_page_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < tree_count(); ++i) count += tree_number(i).resident_page_count();
  return count;
}

void Object::missing_for_member(Bytes member, std::vector<MissingPage>* missing) const {
  const std::uint64_t hash = member_hash(member);
  const auto page = layout_ == Layout::kScores ? sorted_set().missing_for(hash, member)
                                               : tree().missing_for({hash, 0}, member);
  if (page) missing->push_back(*page);
}

void Object::missing_for_put(Bytes member, double score, std::vector<MissingPage>* missing) const {
  if (const auto page = sorted_set().missing_for_put(member_hash(member), member, score)) {
    missing->push_back(*page);
  }
}

void Object::missing_in(std::uint64_t first, std::uint64_t last, std::size_t count_max,
                        std::vector<MissingPage>* missing) const {
  tree().missing_in(first, last, count_max, missing);
}

void Object::missing_to_append(std::vector<MissingPage>* missing) const {
  const std::uint64_t count = tree().count();
  tree().missing_in(count - 1, count, 1, missing);
  // Names lie at the beginning, and are few.
  if (const auto page = trees_->stream->state.missing_for({}, {})) missing->push_back(*page);
}

bool Object::free_some(std::size_t count_max) {
  if (is_small()) return true;
  for (std::size_t i = 0; i < tree_count(); ++i) {
    if (!tree_number(i).free_some(count_max)) return false;
  }
  return true;
}

std::size_t Object::bytes() const {
  std::size_t bytes = sizeof(Object);
  if (is_small()) return bytes + page_.allocated_bytes();
  bytes += sizeof(Trees);
  if (layout_ == Layout::kScores) return bytes + trees_->scores->bytes();
  if (layout_ == Layout::kStream) {
    bytes += sizeof(StreamParts) - sizeof(CountedTree) + trees_->stream->state.bytes();
  }
  return bytes + trees_->tree->bytes() + (has_dates() ? trees_->dates->bytes() : 0);
}

std::size_t Object::dirty_bytes() const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; !is_small() && i < tree_count(); ++i) {
    bytes += tree_number(i).dirty_bytes();
  }
  return bytes;
}

PageTotals Object::account() {
  const PageTotals now = {.bytes = static_cast<std::int64_t>(bytes()),
                          .dirty_bytes = static_cast<std::int64_t>(dirty_bytes())};
  PageTotals& totals = *trees_->totals;
  PageTotals& accounted = trees_->accounted;
  const PageTotals more = {.bytes = now.bytes - accounted.bytes,
                           .dirty_bytes = now.dirty_bytes - accounted.dirty_bytes};
  totals.bytes += more.bytes;
  totals.dirty_bytes += more.dirty_bytes;
  accounted = now;
  return totals.is_detached ? PageTotals{} : more;
}

void Object::set_totals(std::shared_ptr<PageTotals> totals) {
  if (is_small()) return;
  const PageTotals was = std::exchange(trees_->accounted, {});
  if (trees_->totals != nullptr) {
    trees_->totals->bytes -= was.bytes;
    trees_->totals->dirty_bytes -= was.dirty_bytes;
  }
  trees_->totals = std::move(totals);
  if (trees_->totals != nullptr && is_stored_) trees_->totals->may_be_cold = true;
}

void Object::verify_invariants() const {
  if (is_small()) {
    ASSERT(verify_page(page_.view()).ok());
    for (PageWalk walk(page()); layout_ == Layout::kPairs && !walk.is_at_end(); walk.next()) {
      const Millis expiry = split_pair(walk.entry()).expiry;
      ASSERT(expiry.count == 0 || expiry >= field_expiry_);  // I2
    }
    if (layout_ == Layout::kScores) ASSERT(is_ordered(page()));
    return;
  }
  ASSERT(id().number != 0 && !page_);
  if (layout_ == Layout::kChunks) ASSERT(tree().count() == trees_->extent.chunk_count());
  for (std::size_t i = 0; i < tree_count(); ++i) tree_number(i).verify_invariants();
  if (has_dates()) verify_dates();
  if (layout_ == Layout::kStream) {
    ASSERT(trees_->tree->count() > 0 && trees_->stream->state.count() > 0);  // I4
  }
}

void Object::verify_dates() const {
  std::vector<MissingPage> missing;
  trees_->tree->missing_in(0, trees_->tree->count(), 1, &missing);
  trees_->dates->missing_in(0, trees_->dates->count(), 1, &missing);
  if (!missing.empty()) return;
  std::uint64_t count = 1;  // what stands behind them all
  for (CountedTree::Cursor c = trees_->tree->at(0); !c.is_at_end(); c.next()) {
    const PairView pair = c.pair();
    if (pair.expiry.count == 0) continue;
    ++count;
    ASSERT(pair.expiry >= field_expiry_);  // I2
    const PageKey key = date_key(pair.expiry, c.key().high);
    ASSERT(!trees_->dates->find_first(key).is_at_end());  // I3
  }
  ASSERT(trees_->dates->count() == count);  // I3
}

// ---- ElementCursor

ElementCursor::ElementCursor(Object& object, const ObjectUse& use, std::uint64_t position)
    : object_(&object),
      use_(&use),
      position_(std::min(position, object.count())),
      count_(object.count()) {
  if (!is_at_end()) enter();
}

void ElementCursor::enter() {
  if (object_->is_small()) {
    page_ = object_->page();
    index_ = position_;
    offset_ = page_.offset(index_);
    return;
  }
  const ObjectHandle handle(*object_, *use_);
  handle.need_range(position_, position_ + 1);
  in_tree_ = handle.tree().at(position_);
}

void ElementCursor::previous() {
  if (position_ == 0) {
    position_ = count_;
    return;
  }
  --position_;
  if (!in_tree_) {
    offset_ -= page_.length(--index_);
    return;
  }
  in_tree_->previous();
  if (in_tree_->is_cold()) enter();
}

// ---- ObjectHandle

void ObjectHandle::need_range(std::uint64_t first, std::uint64_t last) const {
  if (tree().is_whole()) [[likely]]
    return;
  std::vector<MissingPage> missing;
  for (;;) {
    missing.clear();
    tree().missing_in(first, last, 1, &missing);
    if (missing.empty()) return;
    use_->source->load(*object_, missing[0]);
  }
}

void ObjectHandle::need_for_erase(std::uint64_t first, std::uint64_t last) const {
  std::vector<MissingPage> missing;
  for (;;) {
    missing.clear();
    tree().missing_for_erase(first, last, 1, &missing);
    if (missing.empty()) return;
    use_->source->load(*object_, missing[0]);
  }
}

char* ObjectHandle::reserve(std::size_t size) {
  make_room(&object_->page_, size);
  return object_->page_.writable();
}

void ObjectHandle::settle_page() {
  const std::size_t size = object_->page().size();
  object_->page_.set_size(size);
  if (size * 2 >= object_->page_.capacity()) [[likely]]
    return;
  SharedBytes smaller = PageFrames::new_page(size);
  std::memcpy(smaller.writable(), object_->page_.data(), size);
  smaller.set_size(size);
  object_->page_ = std::move(smaller);
}

void ObjectHandle::insert_in_page(std::size_t index, PageKey key, const Entry& entry) {
  const PageView page = object_->page();
  char* bytes = reserve(page.size() + page_insert_growth(page, key, entry.size()));
  page_insert(bytes, index, key, entry);
  settle_page();
  if (has_outgrown_page()) become_large();
}

void ObjectHandle::replace_in_page(std::size_t index, const Entry& entry) {
  const PageView page = object_->page();
  const std::ptrdiff_t growth = page_resize_growth(page, page.length(index), entry.size());
  char* bytes =
      reserve(page.size() + static_cast<std::size_t>(std::max<std::ptrdiff_t>(growth, 0)));
  page_replace(bytes, index, entry);
  settle_page();
  if (has_outgrown_page()) become_large();
}

void ObjectHandle::erase_in_page(std::size_t first, std::size_t count) {
  page_erase(reserve(object_->page().size()), first, count);
  settle_page();
}

bool ObjectHandle::has_outgrown_page() const {
  const PageView page = object_->page();
  if (page.count() > kSmallCountMax) return true;
  switch (object_->layout()) {
    case Layout::kSequence:
      return page.size() > kSmallSequenceBytesMax;
    case Layout::kPairs:
      return page.size() > kSmallPairsBytesMax;
    default:
      return page.size() > kSmallBytesMax;
  }
}

// Element by element: it happens once in an object's life.
void ObjectHandle::become_large() {
  const SharedBytes block = std::exchange(object_->page_, SharedBytes());
  const PageView page(block.data());
  object_->trees_ = std::make_unique<Object::Trees>();
  object_->trees_->id = use_->source->next_id();
  const Layout layout = object_->layout();
  if (layout == Layout::kScores) {
    object_->trees_->scores = std::make_unique<SortedSet>();
  } else {
    object_->trees_->tree = std::make_unique<CountedTree>(tree_shape(layout));
  }
  for (PageWalk walk(page); !walk.is_at_end(); walk.next()) {
    const Bytes entry = walk.entry();
    switch (layout) {
      case Layout::kSequence:
        tree().insert_at(tree().count(), Entry::whole(entry), edit());
        break;
      case Layout::kMembers:
        tree().insert({member_hash(entry), 0}, Entry::whole(entry), edit());
        break;
      case Layout::kPairs: {
        const PairView pair = split_pair(entry);
        tree().insert({member_hash(pair.key), 0}, Entry::pair(pair.key, pair.value, pair.expiry),
                      edit());
        if (pair.expiry.count != 0) Dictionary(*object_, *use_).add_date(pair.expiry, pair.key);
        break;
      }
      case Layout::kScores:
        object_->sorted_set().put(member_hash(entry), entry,
                                  score_of_key(page.key(walk.index()).high), edit());
        break;
      case Layout::kChunks:
      case Layout::kStream:
        ASSERT(false);  // large from the start
    }
  }
}

// ---- Sequence

void Sequence::insert(std::uint64_t position, Bytes entry) {
  if (object_->is_small()) return insert_in_page(position, {}, Entry::whole(entry));
  need_range(position, position + 1);
  tree().insert_at(position, Entry::whole(entry), edit());
}

void Sequence::replace(std::uint64_t position, Bytes entry) {
  if (object_->is_small()) return replace_in_page(position, Entry::whole(entry));
  need_range(position, position + 1);
  tree().replace_at(position, Entry::whole(entry), edit());
}

void Sequence::erase(std::uint64_t first, std::uint64_t last) {
  if (object_->is_small()) return erase_in_page(first, last - first);
  need_for_erase(first, last);
  tree().erase_range(first, last, edit());
}

// ---- Dictionary

ElementCursor Dictionary::find(Bytes member) const {
  if (object_->is_small()) return at(find_in_page(member));
  const PageKey key{member_hash(member), 0};
  need([&] { return tree().missing_for(key, member); });
  const CountedTree::Cursor found = tree().find(key, member, fingers());
  return at(found.is_at_end() ? count() : tree().position_of(found));
}

bool Dictionary::contains(Bytes member) const {
  if (object_->is_small()) return find_in_page(member) < object_->page().count();
  const PageKey key{member_hash(member), 0};
  need([&] { return tree().missing_for(key, member); });
  return !tree().find(key, member, fingers()).is_at_end();
}

// Members of sets are not remembered: what one set has says nothing of others.
std::size_t Dictionary::find_in_page(Bytes member) const {
  const PageView page = object_->page();
  if (!page.is_pairs() || fingers() == nullptr) return page.find_tail(member);
  std::uint16_t& place = fingers()->place_of(tag_of(member));
  static_assert(kSmallCountMax <= UINT16_MAX);
  const std::size_t index = page.find_tail_near(member, place);
  if (index != place && index < page.count()) place = static_cast<std::uint16_t>(index);
  return index;
}

std::optional<PairView> Dictionary::pair_of(Bytes field) const {
  if (object_->is_small()) {
    const PageView page = object_->page();
    const std::size_t index = find_in_page(field);
    if (index == page.count()) return std::nullopt;
    return split_pair(page.entry(index));
  }
  const PageKey key{member_hash(field), 0};
  need([&] { return tree().missing_for(key, field); });
  const CountedTree::Cursor found = tree().find(key, field, fingers());
  if (found.is_at_end()) return std::nullopt;
  return found.pair();
}

bool Dictionary::add(Bytes member, std::optional<std::size_t> small_position) {
  const Entry entry = Entry::whole(member);
  if (object_->is_small()) {
    const PageView page = object_->page();
    if (page.find_tail(member) < page.count()) return false;
    insert_in_page(small_position.value_or(page.count()), {}, entry);
    return true;
  }
  const PageKey key{member_hash(member), 0};
  need([&] { return tree().missing_for(key, member); });
  return tree().insert(key, entry, edit());
}

bool Dictionary::put(Bytes field, Bytes value, Millis expiry) {
  const Entry entry = Entry::pair(field, value, expiry);
  if (expiry.count != 0) {
    object_->field_expiry_ = std::min(object_->field_expiry_, expiry);
    object_->traits_ |= kFieldExpiryTrait;
  }
  if (object_->is_small()) {
    const std::size_t index = find_in_page(field);
    const bool is_new = index == object_->page().count();
    if (is_new) {
      insert_in_page(index, {}, entry);
    } else {
      replace_in_page(index, entry);
    }
    return is_new;
  }
  const PageKey key{member_hash(field), 0};
  if (object_->has_dates()) {
    const auto before = pair_of(field);
    const Millis old = before ? before->expiry : Millis{};
    if (old != expiry && old.count != 0) erase_date(old, field);
    if (old != expiry && expiry.count != 0) add_date(expiry, field);
  } else if (expiry.count != 0) {
    add_date(expiry, field);
  }
  need([&] { return tree().missing_for(key, field); });
  return tree().put(key, entry, edit());
}

bool Dictionary::erase(Bytes member) {
  if (object_->is_small()) {
    const std::size_t index = find_in_page(member);
    if (index == object_->page().count()) return false;
    erase_in_page(index, 1);
    return true;
  }
  if (object_->has_dates()) {
    const auto pair = pair_of(member);
    if (pair && pair->expiry.count != 0) erase_date(pair->expiry, member);
  }
  const PageKey key{member_hash(member), 0};
  need([&] { return tree().missing_for(key, member); });
  return tree().erase(key, member, edit());
}

void Dictionary::erase_range(std::uint64_t first, std::uint64_t last) {
  ASSERT(!object_->has_dates());
  if (object_->is_small()) return erase_in_page(first, last - first);
  need_for_erase(first, last);
  tree().erase_range(first, last, edit());
}

ElementCursor Dictionary::from_hash(std::uint64_t hash) const {
  need([&] { return tree().missing_for({hash, 0}, {}); });
  return at(tree().rank({hash, 0}));
}

template <typename Ask>
void Dictionary::need_dates(Ask ask) const {
  need([&] { return ask(dates()); });
}

void Dictionary::begin_dates() {
  object_->trees_->dates = std::make_unique<CountedTree>(kDatesShape, kTreePageBytes, kDatesIds);
  dates().insert(kBehindAllDates, Entry::whole({}), edit());
}

// Fields with the same expiry and hash have an entry each, told apart by an ordinal; which is
// whose does not matter.
void Dictionary::add_date(Millis expiry, Bytes field) {
  if (!object_->has_dates()) begin_dates();
  const PageKey key = date_key(expiry, member_hash(field));
  std::string ordinal;
  for (std::uint32_t n = 1;; ++n) {
    need_dates([&](const CountedTree& tree) { return tree.missing_for(key, ordinal); });
    if (dates().insert(key, Entry::whole(ordinal), edit())) return;
    REACHED("value: two fields of a hash share their hash and expiry");
    ordinal.assign({static_cast<char>(n >> 8U), static_cast<char>(n)});
  }
}

void Dictionary::erase_date(Millis expiry, Bytes field) {
  const PageKey key = date_key(expiry, member_hash(field));
  need_dates([&](const CountedTree& tree) { return tree.missing_of(key); });
  const CountedTree::Cursor found = dates().find_first(key);
  if (found.is_at_end()) return;  // pages from a corrupt store may have passed all checks
  const std::string ordinal(found.entry());
  need_dates([&](const CountedTree& tree) { return tree.missing_to_erase(key, ordinal); });
  dates().erase(key, ordinal, edit());
}

std::uint64_t Dictionary::count_expiring(Millis when) const {
  if (object_->field_expiry() > when) return 0;
  if (object_->has_dates()) {
    const PageKey behind = date_key({when.count + 1}, 0);
    need_dates([&](const CountedTree& tree) { return tree.missing_for(behind, {}); });
    return dates().rank(behind);
  }
  if (!object_->is_small()) return 0;
  std::uint64_t count = 0;
  for (PageWalk walk(object_->page()); !walk.is_at_end(); walk.next()) {
    const Millis expiry = split_pair(walk.entry()).expiry;
    if (expiry.count != 0 && expiry <= when) ++count;
  }
  return count;
}

std::vector<std::string> Dictionary::fields_expiring(Millis when, std::size_t count_max) const {
  std::vector<std::string> fields;
  if (object_->field_expiry() > when) return fields;
  if (object_->is_small()) {
    for (PageWalk walk(object_->page()); !walk.is_at_end(); walk.next()) {
      const PairView pair = split_pair(walk.entry());
      if (pair.expiry.count == 0 || pair.expiry > when) continue;
      if (fields.size() == count_max) break;
      fields.emplace_back(pair.key);
    }
    return fields;
  }
  if (!object_->has_dates()) return fields;
  std::optional<PageKey> last;
  for (std::uint64_t i = 0; fields.size() < count_max; ++i) {
    const std::optional<PageKey> date = date_at(i);
    if (!date || date->high > static_cast<std::uint64_t>(when.count)) break;
    if (date != last) add_fields_of(*date, &fields);
    last = date;
  }
  return fields;
}

// All with the date's hash and expiry.
void Dictionary::add_fields_of(PageKey date, std::vector<std::string>* fields) const {
  const PageKey key{date.low, 0};
  need([&] { return tree().missing_of(key); });
  for (CountedTree::Cursor c = tree().find_first(key); !c.is_at_end(); c.next_of_key()) {
    const PairView pair = c.pair();
    if (static_cast<std::uint64_t>(pair.expiry.count) == date.high) fields->emplace_back(pair.key);
  }
}

/// Nothing for the last, which stands behind them all.
std::optional<PageKey> Dictionary::date_at(std::uint64_t position) const {
  if (position >= dates().count()) return std::nullopt;
  std::vector<MissingPage> missing;
  for (;;) {
    missing.clear();
    dates().missing_in(position, position + 1, 1, &missing);
    if (missing.empty()) break;
    use_->source->load(*object_, missing[0]);
  }
  const PageKey key = dates().at(position).key();
  return key == kBehindAllDates ? std::nullopt : std::optional(key);
}

void Dictionary::renew_field_expiry() {
  Millis earliest = kNoFieldExpiry;
  if (object_->is_small()) {
    for (PageWalk walk(object_->page()); !walk.is_at_end(); walk.next()) {
      const Millis expiry = split_pair(walk.entry()).expiry;
      if (expiry.count != 0) earliest = std::min(earliest, expiry);
    }
  } else if (object_->has_dates()) {
    if (const auto date = date_at(0)) earliest.count = static_cast<std::int64_t>(date->high);
  }
  object_->field_expiry_ = earliest;
}

// ---- ScoreSet

std::optional<double> ScoreSet::score(Bytes member) const {
  if (object_->is_small()) {
    const PageView page = object_->page();
    const std::size_t index = page.find_tail(member);
    if (index == page.count()) return std::nullopt;
    return score_of_key(page.key(index).high);
  }
  const std::uint64_t hash = member_hash(member);
  need([&] { return object_->sorted_set().missing_for(hash, member); });
  return object_->sorted_set().score(hash, member, fingers());
}

std::optional<std::uint64_t> ScoreSet::rank(Bytes member) const {
  if (object_->is_small()) {
    const PageView page = object_->page();
    const std::size_t index = page.find_tail(member);
    return index == page.count() ? std::nullopt : std::optional<std::uint64_t>(index);
  }
  const std::uint64_t hash = member_hash(member);
  need([&] { return object_->sorted_set().missing_for(hash, member); });
  return object_->sorted_set().rank(hash, member, fingers());
}

std::uint64_t ScoreSet::count_below(double score, Bytes member) const {
  return count_below_key({score_key(score), 0}, member);
}

std::uint64_t ScoreSet::count_up_to(double score) const {
  return count_below_key({score_key(score) + 1, 0}, {});
}

std::uint64_t ScoreSet::count_below_key(PageKey key, Bytes member) const {
  if (object_->is_small()) return object_->page().lower_bound(key, member).index;
  need([&] { return tree().missing_for(key, member); });
  return tree().rank(key, member);
}

ScoreChange ScoreSet::put(Bytes member, double score) {
  if (!object_->is_small()) {
    const std::uint64_t hash = member_hash(member);
    need([&] { return object_->sorted_set().missing_for_put(hash, member, score); });
    return object_->sorted_set().put(hash, member, score, edit());
  }
  const PageKey key{score_key(score), 0};
  const std::size_t index = object_->page().find_tail(member);
  const bool is_new = index == object_->page().count();
  if (!is_new) {
    if (object_->page().key(index) == key) return ScoreChange::kNone;
    erase_in_page(index, 1);
  }
  insert_in_page(object_->page().lower_bound(key, member).index, key, Entry::whole(member));
  return is_new ? ScoreChange::kNew : ScoreChange::kMoved;
}

bool ScoreSet::erase(Bytes member) {
  if (object_->is_small()) {
    const PageView page = object_->page();
    const std::size_t index = page.find_tail(member);
    if (index == page.count()) return false;
    erase_in_page(index, 1);
    return true;
  }
  const std::uint64_t hash = member_hash(member);
  need([&] { return object_->sorted_set().missing_for(hash, member); });
  return object_->sorted_set().erase(hash, member, edit());
}

void ScoreSet::erase_range(std::uint64_t first, std::uint64_t last) {
  if (object_->is_small()) return erase_in_page(first, last - first);
  if (first == last) return;
  need_range(first, last);
  need_for_erase(first, last);
  std::uint64_t left = last - first;
  for (CountedTree::Cursor c = tree().at(first); left > 0; --left, c.next()) {
    // Pages of the index alone are loaded: those of the range stay, and the cursor with them.
    need([&] { return object_->sorted_set().missing_for(member_hash(c.entry()), c.entry()); });
  }
  object_->sorted_set().erase_range(first, last, member_hash, edit());
}

std::uint64_t ScoreSet::count_below_hash(std::uint64_t hash) const {
  need([&] { return index().missing_for({hash, 0}, {}); });
  return object_->sorted_set().count_below_hash(hash);
}

void ScoreSet::in_hash_order(std::uint64_t first, std::uint64_t last,
                             std::vector<HashedScore>* out) const {
  std::vector<MissingPage> missing;
  for (;;) {
    index().missing_in(first, last, 1, &missing);
    if (missing.empty()) break;
    use_->source->load(*object_, missing[0]);
    missing.clear();
  }
  object_->sorted_set().in_hash_order(first, last, out);
}

}  // namespace diskdb::value
