#pragma once
// Names of models: what is one, what was meant, what a file's address suggests.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uma::hub {

/// [a-z0-9._-]+ with, maybe, a :tag of the same letters; neither part starts with '.' or '-'; at most 128
/// characters. Such a name is never a path.
bool is_model_name(std::string_view name);

/// Throws InvalidArgument naming the rule unless is_model_name(name).
void check_model_name(std::string_view name);

/// A path rather than a name: holds a '/' or ends in .gguf.
bool is_path(std::string_view model);

/// The candidate nearest to the name (capitals apart) if it is near enough to be meant, else "".
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// "https://host/a/Model-Q4.gguf?x=1" -> "model-q4"; "" if nothing usable is left.
std::string name_from_address(std::string_view address);

/// Text of unknown origin made fit for an error: control bytes as '?', cut after 80 bytes.
std::string printable(std::string_view text);

/// 491400064 -> "491.4 MB".
std::string human_bytes(int64_t bytes);

}  // namespace uma::hub
