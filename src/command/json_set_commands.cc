// JSON.SET, JSON.MSET, JSON.MERGE: values put at paths.
//
// They go to the log as the client sent them: the same document and the same words give the same
// document again.
#include <algorithm>

#include "command/json_commands.h"
#include "keyspace/access.h"

namespace diskdb::command::json {
namespace {

using keyspace::Key;
using keyspace::ObjectEdit;
using keyspace::Record;
using keyspace::Type;
using types::JsonEdit;
using types::JsonMatches;
using types::JsonPath;
using types::JsonStep;
using types::JsonSteps;
using types::JsonToken;
using types::JsonTokens;
using types::JsonWalk;

enum class Only : std::uint8_t { kAlways, kIfAbsent, kIfPresent };

/// What putting a value at a path will do to a document.
struct Plan {
  JsonMatches matches;              ///< values to replace, or objects that get a member
  std::vector<std::size_t> order;   ///< of matches, from the last to the first
  std::optional<std::string> name;  ///< of the member
  bool is_complete = true;          ///< none of what was found is left out
};

bool has_nothing_to_do(const Plan& plan) { return plan.order.empty(); }

/// Where a path leads nowhere, its last step may name a member to be added.
Outcome plan_member(CommandContext& cx, JsonWalk& walk, const JsonPath& path, Plan* plan) {
  if (!path.is_static()) return cx.refuse("ERR wrong static path");
  if (path.steps().empty()) return Outcome::done();
  const JsonStep& last = path.steps().back();
  if (last.kind == JsonStep::Kind::kIndexes) {
    JsonMatches there;
    TRY(find_all(cx, walk, path.steps(), false, &there));
    return there.is_empty() ? cx.refuse("ERR array index out of range") : Outcome::done();
  }
  const JsonSteps parent(path.steps().begin(), path.steps().end() - 1);
  TRY(find_all(cx, walk, parent, true, &plan->matches));
  if (plan->matches.is_empty()) return Outcome::done();
  walk.seek(plan->matches.position(0));
  if (!walk.token().is_object()) return Outcome::done();
  if (types::find_member(walk, plan->matches.position(0), last.names[0])) return Outcome::done();
  plan->name = last.names[0];
  plan->order = {0};
  return Outcome::done();
}

Outcome make_plan(CommandContext& cx, JsonWalk& walk, const JsonPath& path, Only only,
                  const JsonTokens& value, Plan* plan) {
  if (only != Only::kIfAbsent) {
    TRY(find_all(cx, walk, path.steps(), true, &plan->matches));
    if (!plan->matches.is_empty()) {
      plan->order = outermost_from_last(walk, plan->matches);
      plan->is_complete = plan->order.size() == plan->matches.count();
    }
  }
  if (plan->matches.is_empty() && only != Only::kIfPresent) {
    TRY(plan_member(cx, walk, path, plan));
  }
  for (const std::size_t i : plan->order) {
    const std::size_t around = plan->matches.ancestors(i).size() + (plan->name ? 1 : 0);
    TRY(check_depth(cx, around, value.depth()));
  }
  return Outcome::done();
}

void add_member(JsonEdit& edit, JsonWalk& walk, const JsonMatches& matches, std::size_t i,
                Bytes name, const JsonTokens& value) {
  JsonTokens member;
  member.add_name(name);
  member.add_all(value, 0, value.count());
  walk.forget();
  walk.seek(matches.position(i));
  edit.insert_children(matches.position(i), matches.ancestors(i), walk.after(), member, 1);
}

void put(ObjectEdit& opened, const Plan& plan, const JsonTokens& value) {
  JsonEdit edit(opened.object(), opened.use());
  for (const std::size_t i : plan.order) {
    if (plan.name) {
      JsonWalk walk(opened.object(), opened.use());
      add_member(edit, walk, plan.matches, i, *plan.name, value);
    } else {
      edit.replace(plan.matches.position(i), plan.matches.ancestors(i), value);
    }
  }
}

void create(CommandContext& cx, const Key& key, const JsonTokens& value) {
  ObjectEdit edit(cx.keyspace, key, Type::kModule);
  JsonEdit(edit.object(), edit.use()).begin(value);
  edit.commit();
}

void replace_root(CommandContext& cx, const Key& key, const JsonTokens& value) {
  ObjectEdit edit(cx.keyspace, key, Type::kModule);
  JsonEdit(edit.object(), edit.use()).replace(0, {}, value);
  edit.commit();
}

/// STRING and JSON mean the same; BSON is of older versions.
Outcome check_format(CommandContext& cx, Bytes format) {
  if (format == "STRING" || format == "JSON") return Outcome::done();
  return cx.refuse("ERR wrong format");
}

/// OK, or null if not all that was asked for could be put.
Outcome reply_whether(CommandContext& cx, bool is_complete) {
  if (is_complete) {
    cx.reply.ok();
  } else {
    cx.reply.null();
  }
  return Outcome::done();
}

struct SetOptions {
  Only only = Only::kAlways;
};

Outcome read_options(CommandContext& cx, Arguments& args, SetOptions* options) {
  while (!args.is_empty()) {
    if (options->only == Only::kAlways && args.next_is("NX")) {
      options->only = Only::kIfAbsent;
    } else if (options->only == Only::kAlways && args.next_is("XX")) {
      options->only = Only::kIfPresent;
    } else if (args.next_is("FORMAT")) {
      if (args.is_empty()) return refuse_word_count(cx);
      TRY(check_format(cx, args.next()));
    } else if (args.next_is("FPHA")) {
      if (args.is_empty()) return refuse_word_count(cx);
      constexpr Bytes kTypes[] = {"BF16", "FP16", "FP32", "FP64"};
      const Bytes type = args.next();
      // How arrays of floats are kept is not for the client to say here: all keep their precision.
      if (std::ranges::none_of(kTypes, [&](Bytes t) { return equals_ignoring_case(t, type); })) {
        return cx.refuse("ERR invalid FPHA type");
      }
    } else {
      return Refusal::kSyntax;
    }
  }
  return Outcome::done();
}

// ---- Merging, RFC 7396

/// Appends what a patch makes of nothing: itself without the members that are null.
void append_merged(const JsonTokens& patch, std::size_t at, JsonTokens* out) {
  if (!patch.at(at).is_object()) return out->add_all(patch, at, patch.after(at));
  const std::size_t object = out->open(types::JsonKind::kObject);
  std::uint64_t count = 0;
  const std::size_t end = patch.after(at);
  for (std::size_t name = at + 1; name < end; name = patch.after(name + 1)) {
    if (patch.at(name + 1).kind == types::JsonKind::kNull) continue;
    out->add_name(patch.at(name).text);
    append_merged(patch, name + 1, out);
    ++count;
  }
  out->close(object, count);
}

/// Merges into one document. Recursion is as deep as the patch.
class Merger {
 public:
  explicit Merger(ObjectEdit& opened)
      : edit_(opened.object(), opened.use()), walk_(opened.object(), opened.use()) {}

  void merge(std::uint64_t position, std::vector<std::uint64_t> ancestors, const JsonTokens& patch,
             std::size_t at);

 private:
  JsonEdit edit_;
  JsonWalk walk_;
};

void Merger::merge(std::uint64_t position, std::vector<std::uint64_t> ancestors,
                   const JsonTokens& patch, std::size_t at) {
  walk_.forget();
  walk_.seek(position);
  if (!patch.at(at).is_object() || !walk_.token().is_object()) {
    JsonTokens merged;
    append_merged(patch, at, &merged);
    return edit_.replace(position, ancestors, merged);
  }
  std::vector<std::uint64_t> below = ancestors;
  below.push_back(position);
  const std::size_t end = patch.after(at);
  for (std::size_t name = at + 1; name < end; name = patch.after(name + 1)) {
    walk_.forget();
    const auto member = types::find_member(walk_, position, patch.at(name).text);
    if (patch.at(name + 1).kind == types::JsonKind::kNull) {
      if (member) edit_.erase_child(*member, below);
    } else if (member) {
      merge(*member, below, patch, name + 1);
    } else {
      JsonTokens added;
      added.add_name(patch.at(name).text);
      append_merged(patch, name + 1, &added);
      walk_.seek(position);
      edit_.insert_children(position, ancestors, walk_.after(), added, 1);
    }
  }
}

}  // namespace

/// JSON.SET key path value [NX | XX] [FPHA type] — OK, or null where it was not to be, or could not
/// be put.
Outcome set(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path_text = args.next();
  const Bytes value_text = args.next();
  SetOptions options;
  TRY(read_options(cx, args, &options));
  TRY_LET(const Record* record, find_document(cx));
  JsonTokens value;
  TRY(parse_value(cx, value_text, &value));
  if (record == nullptr) {
    if (options.only == Only::kIfPresent) {
      cx.reply.null();
      return Outcome::done();
    }
    if (!JsonPath::is_root(path_text)) {
      return cx.refuse("ERR new objects must be created at the root");
    }
    create(cx, cx.key(), value);
    cx.reply.ok();
    return Outcome::done();
  }
  if (JsonPath::is_root(path_text)) {
    if (options.only == Only::kIfAbsent) {
      cx.reply.null();
      return Outcome::done();
    }
    replace_root(cx, cx.key(), value);
    cx.reply.ok();
    return Outcome::done();
  }
  JsonPath path;
  TRY(parse_path(cx, path_text, &path));
  Plan plan;
  {
    JsonWalk walk = walk_of(cx, *record);
    TRY(make_plan(cx, walk, path, options.only, value, &plan));
  }
  if (has_nothing_to_do(plan)) {
    cx.reply.null();
    return Outcome::done();
  }
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  put(edit, plan, value);
  edit.commit();
  return reply_whether(cx, plan.is_complete);
}

namespace {

struct Triplet {
  const Key* key;
  Bytes path_text;
  JsonPath path;
  JsonTokens value;
};

/// Refuses what JSON.MSET could not do as things are.
Outcome check_triplet(CommandContext& cx, Triplet& triplet, Bytes value_text) {
  TRY_LET(const Record* record, cx.keyspace.find(*triplet.key, Type::kModule));
  const bool is_root = JsonPath::is_root(triplet.path_text);
  if (!is_root) TRY(parse_path(cx, triplet.path_text, &triplet.path));
  if (!is_root && record == nullptr) {
    return cx.refuse("ERR new objects must be created at the root");
  }
  TRY(parse_value(cx, value_text, &triplet.value));
  if (is_root) return Outcome::done();
  Plan plan;
  JsonWalk walk = walk_of(cx, *record);
  return make_plan(cx, walk, triplet.path, Only::kAlways, triplet.value, &plan);
}

/// False if not all that its path says could be put. What an earlier triplet made impossible is
/// left out.
bool put_triplet(CommandContext& cx, const Triplet& triplet) {
  const auto found = cx.keyspace.find(*triplet.key);
  if (found == nullptr) {
    if (!JsonPath::is_root(triplet.path_text)) return false;
    create(cx, *triplet.key, triplet.value);
    return true;
  }
  if (JsonPath::is_root(triplet.path_text)) {
    replace_root(cx, *triplet.key, triplet.value);
    return true;
  }
  Plan plan;
  {
    JsonWalk walk = walk_of(cx, *found);
    if (!make_plan(cx, walk, triplet.path, Only::kAlways, triplet.value, &plan).ok()) return false;
  }
  if (has_nothing_to_do(plan)) return false;
  ObjectEdit edit(cx.keyspace, *triplet.key, Type::kModule);
  put(edit, plan, triplet.value);
  edit.commit();
  return plan.is_complete;
}

}  // namespace

/// JSON.MSET key path value [key path value ...] — OK, or null if a path led nowhere.
Outcome mset(CommandContext& cx, Arguments args) {
  if (args.count() % 3 != 0) return refuse_word_count(cx);
  std::vector<Triplet> triplets;
  for (const Key& key : cx.keys) {
    args.next();
    Triplet triplet{.key = &key, .path_text = args.next(), .path = {}, .value = {}};
    TRY(check_triplet(cx, triplet, args.next()));
    triplets.push_back(std::move(triplet));
  }
  bool is_complete = true;
  for (const Triplet& triplet : triplets) is_complete = put_triplet(cx, triplet) && is_complete;
  return reply_whether(cx, is_complete);
}

/// JSON.MERGE key path value — merges the value into what is there, null members being taken out.
Outcome merge(CommandContext& cx, Arguments args) {
  args.next();
  const Bytes path_text = args.next();
  const Bytes value_text = args.next();
  while (!args.is_empty()) {
    if (!args.next_is("FORMAT")) return Refusal::kSyntax;
    if (args.is_empty()) return refuse_word_count(cx);
    TRY(check_format(cx, args.next()));
  }
  TRY_LET(const Record* record, find_document(cx));
  JsonTokens patch;
  TRY(parse_value(cx, value_text, &patch));
  if (record == nullptr) {
    if (!JsonPath::is_root(path_text)) {
      return cx.refuse("ERR new objects must be created at the root");
    }
    create(cx, cx.key(), patch);
    cx.reply.ok();
    return Outcome::done();
  }
  JsonPath path;
  TRY(parse_path(cx, path_text, &path));
  Plan plan;
  {
    JsonWalk walk = walk_of(cx, *record);
    TRY(make_plan(cx, walk, path, Only::kAlways, patch, &plan));
  }
  if (has_nothing_to_do(plan)) {
    cx.reply.null();
    return Outcome::done();
  }
  ObjectEdit edit(cx.keyspace, cx.key(), Type::kModule);
  if (plan.name) {
    put(edit, plan, patch);
  } else {
    Merger merger(edit);
    for (const std::size_t i : from_last(plan.matches)) {
      const auto ancestors = plan.matches.ancestors(i);
      merger.merge(plan.matches.position(i), {ancestors.begin(), ancestors.end()}, patch, 0);
    }
  }
  edit.commit();
  cx.reply.ok();
  return Outcome::done();
}

}  // namespace diskdb::command::json
