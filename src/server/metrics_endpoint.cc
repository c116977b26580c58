#include "server/metrics_endpoint.h"

#include "keyspace/memory_budget.h"

namespace diskdb::server {
namespace {

constexpr Bytes kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

net::HttpResponse not_ready(const std::string& why) { return {.status = 503, .body = why + "\n"}; }

}  // namespace

std::string refusal_of_writes(const command::Services& services) {
  const keyspace::MemoryBudget& budget = services.keyspace.budget;
  if (services.log != nullptr && !services.log->has_room()) {
    return "writes are refused: the log has no room left on its disk";
  }
  if (budget.is_dirty_stuck.load(std::memory_order_relaxed)) {
    return "writes are refused: checkpoints fail, and what has changed has reached its limit";
  }
  if (!budget.is_tiered() && !keyspace::deletes_keys(budget.policy()) &&
      services.keyspace.allocated_bytes() > budget.keys_max()) {
    return "writes that need memory are refused: maxmemory is reached";
  }
  return {};
}

void MetricsEndpoint::set_ready(command::Services& services) {
  const std::lock_guard lock(m_);
  services_ = &services;
  reader_ = std::make_unique<command::MetricsReader>(services);
}

void MetricsEndpoint::set_ending() {
  const std::lock_guard lock(m_);
  is_ending_ = true;
}

net::HttpResponse MetricsEndpoint::respond(Bytes path) {
  const std::lock_guard lock(m_);
  if (path == "/healthz") return {.body = "ok\n"};
  if (path == "/readyz") return respond_ready();
  if (path != "/metrics") {
    return {.status = 404, .body = "There are /metrics, /healthz and /readyz.\n"};
  }
  command::MetricsText up;
  up.gauge("diskdb_ready", "1 once clients are served and writes accepted.",
           std::uint64_t{respond_ready().status == 200 ? 1U : 0U});
  std::string text = up.take();
  if (reader_ != nullptr) text += reader_->text();
  return {.content_type = std::string(kExpositionType), .body = std::move(text)};
}

net::HttpResponse MetricsEndpoint::respond_ready() const {
  if (is_ending_) return not_ready("the server is ending");
  if (services_ == nullptr) return not_ready("the data is being recovered");
  const std::string refusal = refusal_of_writes(*services_);
  return refusal.empty() ? net::HttpResponse{.body = "ready\n"} : not_ready(refusal);
}

}  // namespace diskdb::server
