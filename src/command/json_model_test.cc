// Random changes of JSON documents beside a model: a tree of nodes, changed as the documentation
// says. Between the commands checkpoints are taken and pages leave memory. After each the document
// is the model's, and its tokens are those of a document made of the text it shows; a refused
// command has changed nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/tiered_server.h"
#include "io/random.h"
#include "keyspace/digest.h"

namespace diskdb::command {
namespace {

using Words = std::vector<std::string>;

/// A value. Scalars are their JSON text.
struct Node {
  enum class Kind : std::uint8_t { kScalar, kObject, kArray };
  Kind kind = Kind::kScalar;
  std::string text = "null";
  std::vector<std::pair<std::string, Node>> members = {};  ///< of an array: without names

  std::string json() const {
    if (kind == Kind::kScalar) return text;
    std::string out(1, kind == Kind::kObject ? '{' : '[');
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out += ',';
      if (kind == Kind::kObject) out += '"' + members[i].first + "\":";
      out += members[i].second.json();
    }
    return out + (kind == Kind::kObject ? '}' : ']');
  }
  Node* member(const std::string& name) {
    const auto at =
        std::ranges::find_if(members, [&](const auto& member) { return member.first == name; });
    return at == members.end() ? nullptr : &at->second;
  }
};

class JsonModel : public testing::TestWithParam<std::uint64_t> {
 protected:
  std::string name() { return "m" + std::to_string(random_.below(12)); }

  Node scalar() {
    switch (random_.below(6)) {
      case 0:
        return {.text = "null"};
      case 1:
        return {.text = random_.chance_percent(50) ? "true" : "false"};
      case 2:
        return {.text = '"' + std::string(random_.below(60), 's') + '"'};
      case 3:
        return {.text = '"' +
                        std::string(random_.below(random_.chance_percent(5) ? 6000 : 4), 'l') +
                        '"'};
      default:
        return {.text = std::to_string(static_cast<std::int64_t>(random_.below(3000)) - 1500)};
    }
  }
  Node value(std::size_t depth) {
    if (depth == 0 || random_.chance_percent(50)) return scalar();
    const bool is_object = random_.chance_percent(50);
    Node node{.kind = is_object ? Node::Kind::kObject : Node::Kind::kArray};
    std::uint64_t count = random_.below(8);
    if (random_.chance_percent(5)) count = random_.below(300);
    for (; count > 0; --count) {
      Node child = value(depth - 1);
      if (!is_object) {
        node.members.emplace_back("", std::move(child));
      } else if (std::string key = name(); node.member(key) == nullptr) {
        node.members.emplace_back(std::move(key), std::move(child));
      }
    }
    return node;
  }

  /// A value of the model's, its path, and the container around it.
  struct Place {
    Node* node;
    std::string path;
    Node* parent = nullptr;
    std::size_t index = 0;
  };
  Place any_place() {
    Place place{&root_, "$"};
    while (!place.node->members.empty() && random_.chance_percent(75)) {
      const std::size_t i = random_.below(place.node->members.size());
      auto& [key, child] = place.node->members[i];
      if (place.node->kind == Node::Kind::kObject) {
        place.path += random_.chance_percent(50) ? "." + key : "[\"" + key + "\"]";
      } else {
        const auto count = static_cast<std::int64_t>(place.node->members.size());
        const auto at = static_cast<std::int64_t>(i);
        place.path += '[' + std::to_string(random_.chance_percent(50) ? at : at - count) + ']';
      }
      place = {&child, place.path, place.node, i};
    }
    return place;
  }

  void change();
  void change_array(const Place& place);
  void merge(Node* target, const Node& patch);
  /// Runs it, and says whether it was answered without error.
  bool run(const Words& words) {
    last_ = words;
    const std::string reply = client_->run_to_end(server_, {words});
    return !reply.starts_with('-');
  }
  std::string get(const std::string& key) {
    const std::string reply = client_->run_to_end(server_, {{"JSON.GET", key}});
    const std::size_t begin = reply.find('\n') + 1;
    return reply.starts_with("$-1") ? "nil" : reply.substr(begin, reply.size() - begin - 2);
  }
  void check() {
    const std::string expected = root_.json();
    ASSERT_EQ(get("d"), expected) << last_[0] << ' ' << last_[2];
    client_->run_to_end(server_, {{"DEL", "probe"}, {"JSON.SET", "probe", "$", expected}});
    ASSERT_EQ(digest("d"), digest("probe")) << last_[0] << ' ' << last_[2];
  }
  std::string digest(const std::string& name) {
    keyspace::Access access(server_.keyspace);
    access.begin(0, client_->now);
    const keyspace::Key key = access.key(name);
    access.hold(server_.keyspace.shard_of(key.slot));
    const keyspace::Record* record = access.find(key);
    const auto found = record == nullptr ? keyspace::Digest{} : digest_of_value(access, *record);
    access.release();
    return keyspace::digest_text(found);
  }

  io::Random random_{GetParam()};
  TieredServer server_;
  std::unique_ptr<TieredServer::Client> client_ = server_.client();
  Node root_;
  Words last_;
};

void JsonModel::merge(Node* target, const Node& patch) {
  if (patch.kind != Node::Kind::kObject) {
    *target = patch;
    return;
  }
  if (target->kind != Node::Kind::kObject) *target = {.kind = Node::Kind::kObject, .text = ""};
  for (const auto& [key, value] : patch.members) {
    Node* at = target->member(key);
    if (value.kind == Node::Kind::kScalar && value.text == "null") {
      std::erase_if(target->members, [&](const auto& member) { return member.first == key; });
    } else if (at != nullptr) {
      merge(at, value);
    } else {
      merge(&target->members.emplace_back(key, Node{}).second, value);
    }
  }
}

void JsonModel::change_array(const Place& place) {
  auto& elements = place.node->members;
  const auto count = static_cast<std::int64_t>(elements.size());
  switch (random_.below(4)) {
    case 0: {
      Words words{"JSON.ARRAPPEND", "d", place.path};
      for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) {
        elements.emplace_back("", value(2));
        words.push_back(elements.back().second.json());
      }
      EXPECT_TRUE(run(words));
      return;
    }
    case 1: {
      const auto at = static_cast<std::int64_t>(random_.below(elements.size() + 2));
      const Node added = value(2);
      const bool fits = at <= count;
      EXPECT_EQ(run({"JSON.ARRINSERT", "d", place.path, std::to_string(at), added.json(), "1"}),
                fits);
      if (!fits) return;
      elements.insert(elements.begin() + at, {"", Node{.text = "1"}});
      elements.insert(elements.begin() + at, {"", added});
      return;
    }
    case 2: {
      const auto index = static_cast<std::int64_t>(random_.below(elements.size() + 3)) - 2;
      EXPECT_TRUE(run({"JSON.ARRPOP", "d", place.path, std::to_string(index)}));
      if (count == 0) return;
      const std::int64_t at =
          index < 0 ? std::max<std::int64_t>(index + count, 0) : std::min(index, count - 1);
      elements.erase(elements.begin() + at);
      return;
    }
    default: {
      const auto start = static_cast<std::int64_t>(random_.below(6)) - 3;
      const auto stop = static_cast<std::int64_t>(random_.below(elements.size() + 6)) - 3;
      EXPECT_TRUE(
          run({"JSON.ARRTRIM", "d", place.path, std::to_string(start), std::to_string(stop)}));
      const std::int64_t first = start < 0 ? std::max<std::int64_t>(start + count, 0) : start;
      const std::int64_t last =
          stop < 0 ? std::max<std::int64_t>(stop + count, 0) : std::min(stop, count - 1);
      if (first > last || first >= count) return elements.clear();
      elements.erase(elements.begin() + last + 1, elements.end());
      elements.erase(elements.begin(), elements.begin() + first);
    }
  }
}

void JsonModel::change() {
  Place place = any_place();
  Node& node = *place.node;
  if (node.kind == Node::Kind::kArray && random_.chance_percent(60)) return change_array(place);
  const bool is_integer =
      node.kind == Node::Kind::kScalar && node.text.find_first_of("\"ntf") == std::string::npos;
  const bool is_string = node.kind == Node::Kind::kScalar && node.text[0] == '"';
  switch (random_.below(9)) {
    case 0:
    case 1: {
      node = value(3);
      EXPECT_TRUE(run({"JSON.SET", "d", place.path, node.json()}));
      return;
    }
    case 2: {
      const std::string key = name();
      const Node added = value(2);
      run({"JSON.SET", "d", place.path + "." + key, added.json()});
      if (node.kind != Node::Kind::kObject) return;
      if (Node* there = node.member(key)) {
        *there = added;
      } else {
        node.members.emplace_back(key, added);
      }
      return;
    }
    case 3: {
      if (place.parent == nullptr) return;
      if (place.parent == &root_ && root_.members.size() == 1) return;  // it would be the end
      place.parent->members.erase(place.parent->members.begin() +
                                  static_cast<std::ptrdiff_t>(place.index));
      EXPECT_TRUE(run({"JSON.DEL", "d", place.path}));
      return;
    }
    case 4: {
      EXPECT_TRUE(run({"JSON.NUMINCRBY", "d", place.path, "17"}));
      if (is_integer) node.text = std::to_string(std::stoll(node.text) + 17);
      return;
    }
    case 5: {
      EXPECT_TRUE(run({"JSON.STRAPPEND", "d", place.path, "\"+\""}));
      if (is_string) node.text.insert(node.text.size() - 1, "+");
      return;
    }
    case 6: {
      EXPECT_TRUE(run({"JSON.TOGGLE", "d", place.path}));
      if (node.text == "true") {
        node.text = "false";
      } else if (node.text == "false") {
        node.text = "true";
      }
      return;
    }
    case 7: {
      const Node patch = value(3);
      EXPECT_TRUE(run({"JSON.MERGE", "d", place.path, patch.json()}));
      return merge(&node, patch);
    }
    default: {
      EXPECT_FALSE(run({"JSON.SET", "d", place.path, "{\"half\":[1,2"}));
      if (random_.chance_percent(70)) return;
      EXPECT_TRUE(run({"JSON.CLEAR", "d", place.path}));
      if (is_integer) node.text = "0";
      node.members.clear();
    }
  }
}

TEST_P(JsonModel, DocumentsAreWhatTheirModelIs) {
  root_ = value(4);
  while (root_.kind == Node::Kind::kScalar) root_ = value(4);
  ASSERT_TRUE(run({"JSON.SET", "d", "$", root_.json()}));
  for (int i = 0; i < 150; ++i) {
    change();
    check();
    if (HasFatalFailure() || HasFailure()) return;
    if (random_.chance_percent(15)) server_.checkpoint();
    while (random_.chance_percent(40) && server_.evict("d")) {
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, JsonModel, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace diskdb::command
