import Testing

@testable import NTMModel

/// The limits of memory and processors, as control groups and resource limits set them.
struct SystemLimitsTests {
  // MARK: Control groups

  private static let version2 = """
    22 1 8:1 / / rw - ext4 /dev/sda1 rw
    31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate

    """
  private static let version1 = """
    32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
    35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory
    40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd

    """

  private func groups(
    _ membership: String, _ mounts: String, _ files: [String: String]
  ) -> ControlGroups {
    ControlGroups(membership: membership, mounts: mounts) { files[$0] }
  }

  @Test func version2GivesMemoryAndQuota() {
    let groups = groups(
      "0::/system.slice/ntm.service\n", Self.version2,
      [
        "/sys/fs/cgroup/system.slice/ntm.service/memory.max": "167772160\n",
        "/sys/fs/cgroup/system.slice/ntm.service/memory.high": "max\n",
        "/sys/fs/cgroup/system.slice/ntm.service/cpu.max": "150000 100000\n",
      ])
    #expect(groups.memory == 167_772_160)
    #expect(groups.processors == 1.5)
  }

  @Test func strictestGroupOfTheHierarchyCounts() {
    let groups = groups(
      "0::/a/b/c\n", Self.version2,
      [
        "/sys/fs/cgroup/a/memory.high": "1000000\n",
        "/sys/fs/cgroup/a/memory.max": "2000000\n",
        "/sys/fs/cgroup/a/b/memory.max": "3000000\n",
        "/sys/fs/cgroup/a/b/c/memory.max": "max\n",
        "/sys/fs/cgroup/cpu.max": "50000 100000\n",
        "/sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
      ])
    #expect(groups.memory == 1_000_000)
    #expect(groups.processors == 0.5)
  }

  @Test func groupsWithoutLimitsGiveNone() {
    let groups = groups(
      "0::/\n", Self.version2,
      [
        "/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.high": "max\n",
        "/sys/fs/cgroup/cpu.max": "max 100000\n",
      ])
    #expect(groups.memory == nil)
    #expect(groups.processors == nil)
  }

  @Test func version1GivesMemoryAndQuota() {
    let groups = groups(
      "8:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n", Self.version1,
      [
        "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes": "268435456\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "200000\n",
        "/sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us": "100000\n",
      ])
    #expect(groups.memory == 268_435_456)
    #expect(groups.processors == 2)
  }

  @Test func version1WithoutLimitsGivesNoQuota() {
    let groups = groups(
      "8:memory:/\n3:cpu,cpuacct:/\n", Self.version1,
      [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      ])
    #expect(groups.memory == 9_223_372_036_854_771_712)
    #expect(groups.processors == nil)
  }

  @Test func version1StatisticsShowLimitsOfHiddenGroups() {
    let groups = groups(
      "8:memory:/\n", Self.version1,
      ["/sys/fs/cgroup/memory/memory.stat": "cache 1\nhierarchical_memory_limit 4194304\nrss 2\n"])
    #expect(groups.memory == 4_194_304)
  }

  /// A hybrid system has version 1 with controllers and version 2 without.
  @Test func hybridHierarchiesAreReadByTheirOwnRules() {
    let mounts =
      Self.version1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    let groups = groups(
      "8:memory:/m\n0::/u\n", mounts,
      [
        "/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "5000000\n",
        "/sys/fs/cgroup/unified/m/memory.max": "1\n",
        "/sys/fs/cgroup/memory/u/memory.limit_in_bytes": "1\n",
      ])
    #expect(groups.memory == 5_000_000)
  }

  /// Docker with version 1: the membership is the host's path, and the mount shows its group alone.
  @Test func mountOfTheGroupItselfIsRead() {
    let mounts = """
      35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory

      """
    let files = ["/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000000\n"]
    #expect(groups("8:memory:/docker/1f\n", mounts, files).memory == 7_000_000)
    #expect(groups("8:memory:/\n", mounts, files).memory == 7_000_000)
  }

  @Test(arguments: ["0::/\n", "0::/../../system.slice\n", "0::/kubepods/pod1/of-the-host\n"])
  func namespacedGroupIsTheMountPoint(_ membership: String) {
    let groups = groups(membership, Self.version2, ["/sys/fs/cgroup/memory.max": "8000000\n"])
    #expect(groups.memory == 8_000_000)
  }

  @Test func mountPointMayHaveSpaces() {
    let mounts = #"31 22 0:26 / /my\040groups\134x rw - cgroup2 cgroup2 rw"#
    let groups = groups("0::/a:b\n", mounts, [#"/my groups\x/a:b/memory.max"#: "9000000\n"])
    #expect(groups.memory == 9_000_000)
  }

  @Test(arguments: ["", "\n", "nonsense\n", "0:\n", "x y - cgroup2\n", "0::\n"])
  func unreadableTextsGiveNoLimit(_ text: String) {
    let bad = ControlGroups(membership: text, mounts: text) { _ in text }
    #expect(bad.memory == nil && bad.processors == nil)
    let badFiles = groups(
      "0::/\n", Self.version2,
      ["/sys/fs/cgroup/memory.max": text, "/sys/fs/cgroup/cpu.max": text])
    #expect(badFiles.memory == nil && badFiles.processors == nil)
  }

  // MARK: The strictest limit

  @Test func smallestMemoryLimitCounts() {
    #expect(SystemLimits.memory(physical: 100, groups: nil, resources: [nil, nil]) == 100)
    #expect(SystemLimits.memory(physical: 100, groups: 50, resources: [70, nil]) == 50)
    #expect(SystemLimits.memory(physical: 100, groups: 1000, resources: [nil, 70]) == 70)
    #expect(SystemLimits.memory(physical: 100, groups: .max, resources: []) == 100)
  }

  @Test func quotaIsRoundedUpToWholeProcessors() {
    #expect(SystemLimits.processors(available: 8, quota: nil) == 8)
    #expect(SystemLimits.processors(available: 8, quota: 0.5) == 1)
    #expect(SystemLimits.processors(available: 8, quota: 1.5) == 2)
    #expect(SystemLimits.processors(available: 2, quota: 1e18) == 2)
    #expect(SystemLimits.processors(available: 0, quota: nil) == 1)
  }

  @Test func thisProcessHasSomeOfEach() {
    #expect(SystemLimits.memory > 1 << 20)
    #expect(SystemLimits.processors >= 1)
  }
}
