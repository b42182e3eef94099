#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "backend/cpu/isa/isa.h"
#include "backend/cpu/isa/machine.h"
#include "base/thread_pool.h"
#include "cli/machine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/version.h"
#include "hub/hub.h"

namespace uma::cli {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// Free space of the folder, or of the nearest one above it that exists.
uint64_t free_bytes(std::filesystem::path folder) {
  struct statvfs status {};
  while (statvfs(folder.c_str(), &status) != 0) {
    if (!folder.has_relative_path()) return 0;
    folder = folder.parent_path();
  }
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace

MachineLimits measure_limits() {
  MachineLimits limits;
  limits.isa = cpu::to_string(cpu::current_isa());
  limits.read_gb_s = cpu::measure_read_bandwidth();
  limits.int8_gop_s = cpu::measure_int8_peak();
  limits.f32_gflop_s = cpu::measure_f32_peak();
  return limits;
}

int doctor(const Common& o) {
  struct sysinfo memory {};
  sysinfo(&memory);
  const uint64_t total = static_cast<uint64_t>(memory.totalram) * memory.mem_unit;
  const hub::Store store;
  ProgressBar bar("measuring");
  const MachineLimits limits = measure_limits();
  bar.finish();
  std::string isas;
  for (const cpu::Isa isa : cpu::available_isas())
    isas += (isas.empty() ? "" : " ") + std::string(cpu::to_string(isa));
  const auto models = store.list();
  if (o.json) {
    nlohmann::ordered_json json;
    json["version"] = kVersion;
    json["cpu"] = cpu_model();
    json["cores"] = std::thread::hardware_concurrency();
    json["threads"] = num_threads();
    json["isa"] = limits.isa;
    json["isas"] = nlohmann::ordered_json::array();
    for (const cpu::Isa isa : cpu::available_isas()) json["isas"].push_back(cpu::to_string(isa));
    json["memory_bytes"] = total;
    json["read_gb_s"] = limits.read_gb_s;
    json["int8_gop_s"] = limits.int8_gop_s;
    json["f32_gflop_s"] = limits.f32_gflop_s;
    json["home"] = store.home().string();
    json["free_bytes"] = free_bytes(store.home());
    json["models"] = models.size();
    outf("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  outf("uma          {}\n", kVersion);
  outf("CPU          {}, {} cores, {} threads in use\n", cpu_model(), std::thread::hardware_concurrency(),
       num_threads());
  outf("ISA          {} (has: {})\n", limits.isa, isas);
  outf("memory       {}\n", human_bytes(total));
  outf("reads        {:.1f} GB/s\n", limits.read_gb_s);
  outf("int8 peak    {:.0f} Gop/s\n", limits.int8_gop_s);
  outf("f32 peak     {:.0f} GFLOP/s\n", limits.f32_gflop_s);
  outf("models       {} in {}, {} free\n", models.size(), store.home().string(),
       human_bytes(free_bytes(store.home())));
  return 0;
}

}  // namespace uma::cli
