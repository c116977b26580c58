// Any bytes as a path and a JSON text, a line's end between them: each is refused or understood;
// what is understood is shown and read again as the same; and the path, run over the document,
// small and in a tree, finds what lies in it.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "types/json_document.h"

namespace diskdb::types {
namespace {

struct NoPages final : value::PageSource {
  void load(value::Object&, const value::MissingPage&) override { ASSERT(false); }
  value::ObjectId next_id() override { return {.birth_slot = 1, .number = 1}; }
};
struct NoWatcher final : value::PageWatcher {
  void hand_over(value::PageId, SharedBytes) override {}
  void drop_stored(value::PageId) override {}
};

void run(const JsonPath& path, const JsonTokens& tokens) {
  NoPages pages;
  NoWatcher watcher;
  const value::ObjectUse use{.source = &pages,
                             .edit = {.epoch = 1, .cut_epoch = 0, .watcher = &watcher}};
  const value::ObjectRef object(value::Object::create(value::Layout::kSequence));
  JsonEdit edit(*object, use);
  edit.begin(tokens);
  JsonWalk walk(*object, use);
  JsonMatches matches;
  if (!find_matches(walk, path.steps(), true, &matches)) return;
  for (std::size_t i = 0; i < matches.count(); ++i) {
    ASSERT(matches.position(i) < walk.count());
    for (const std::uint64_t ancestor : matches.ancestors(i)) {
      ASSERT(ancestor < matches.position(i));
    }
    if (path.is_static()) ASSERT(matches.count() == 1);
  }
  if (matches.count() == 1) {
    edit.replace(matches.position(0), matches.ancestors(0), tokens);
    walk.forget();
    ASSERT(walk.after() == walk.count());
  }
  while (!object->is_small() && !object->free_some(SIZE_MAX)) {
  }
}

void check(Bytes input) {
  const std::size_t line = input.find('\n');
  const Bytes path_text = input.substr(0, line);
  const Bytes json = line == Bytes::npos ? Bytes() : input.substr(line + 1);
  std::string error;
  const auto path = JsonPath::parse(path_text, &error);
  JsonTokens tokens;
  if (!parse_json(json, &tokens, &error)) return;
  ASSERT(tokens.after(0) == tokens.count());
  const std::string shown = json_text(tokens);
  JsonTokens again;
  ASSERT(parse_json(shown, &again, &error));
  ASSERT(json_text(again) == shown);
  ASSERT(are_equal(tokens, 0, again, 0));
  if (path) run(*path, tokens);
}

}  // namespace
}  // namespace diskdb::types

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  diskdb::types::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
