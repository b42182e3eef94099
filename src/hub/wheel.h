#pragma once
// One member of a wheel (a zip file with a list of hashes), read strictly.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace uma::hub {

/// Hands the member's bytes on in chunks of at most 1 MiB. Never more than `bytes` of them: the size is
/// compared before the first, the zip's CRC and the SHA-256 of the wheel's RECORD after the last.
/// Throws Format naming the wheel: not a zip, no such member, stored in another way than as it is or
/// deflated, encrypted, another size, wrong CRC or hash. Throws Cancelled, and what on_data throws.
void read_wheel_member(const std::filesystem::path& wheel, const std::string& member, int64_t bytes,
                       const std::function<void(std::span<const uint8_t>)>& on_data,
                       const std::atomic<bool>* cancel = nullptr);

}  // namespace uma::hub
