/// The limits of this process's control groups (cgroups(7)), of versions 1 and 2.
///
/// A limit also applies to the groups below it. So the strictest limit counts, of the process's own
/// group and of every group above it that the process can see.
package struct ControlGroups {
  /// Bytes of memory; nil if there is no limit.
  package private(set) var memory: Int?
  /// Processors, as a number with a fraction; nil if there is no limit.
  package private(set) var processors: Double?

  /// - Parameters:
  ///   - membership: the text of `/proc/self/cgroup`
  ///   - mounts: the text of `/proc/self/mountinfo`
  ///   - read: returns the text of a file; nil if the file cannot be read
  package init(membership: String, mounts: String, read: (_ path: String) -> String?) {
    let mounts = mounts.split(separator: "\n").compactMap(Mount.init)
    for line in membership.split(separator: "\n") {
      // Hierarchy, controllers with commas between them, path. The path may have colons.
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",").map(String.init)
      for mount in mounts where mount.has(controllers) {
        for folder in mount.folders(of: String(fields[2])) {
          if mount.isVersion2 {
            readVersion2(folder, read)
          } else {
            readVersion1(folder, read)
          }
        }
      }
    }
  }

  private mutating func readVersion2(_ folder: String, _ read: (String) -> String?) {
    limitMemory(Self.number(read("\(folder)/memory.max")))
    // Above this the kernel slows the process down until it hardly runs.
    limitMemory(Self.number(read("\(folder)/memory.high")))
    // The quota, or "max", and its period.
    let fields = read("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace) ?? []
    guard fields.count == 2 else { return }
    limitProcessors(quota: Int(fields[0]), period: Int(fields[1]))
  }

  private mutating func readVersion1(_ folder: String, _ read: (String) -> String?) {
    limitMemory(Self.number(read("\(folder)/memory.limit_in_bytes")))
    // The strictest limit of the groups above, some of which a container cannot see.
    let name = "hierarchical_memory_limit "
    let line = read("\(folder)/memory.stat")?.split(separator: "\n").first { $0.hasPrefix(name) }
    limitMemory(Self.number(line.map { String($0.dropFirst(name.count)) }))
    // A quota of -1 is no limit.
    limitProcessors(
      quota: Self.number(read("\(folder)/cpu.cfs_quota_us")),
      period: Self.number(read("\(folder)/cpu.cfs_period_us")))
  }

  private mutating func limitMemory(_ bytes: Int?) {
    guard let bytes, bytes > 0 else { return }
    memory = min(memory ?? .max, bytes)
  }

  private mutating func limitProcessors(quota: Int?, period: Int?) {
    guard let quota, let period, quota > 0, period > 0 else { return }
    processors = min(processors ?? .infinity, Double(quota) / Double(period))
  }

  /// Nil for "max", too.
  private static func number(_ text: String?) -> Int? {
    text.flatMap { Int($0.filter { !$0.isWhitespace }) }
  }
}

extension ControlGroups {
  /// A mounted hierarchy of control groups.
  private struct Mount {
    /// The group that the mount point shows.
    let root: String
    let point: String
    let isVersion2: Bool
    /// Options of the file system. Those of version 1 name its controllers.
    let options: [String]

    /// - Parameter line: of `/proc/self/mountinfo` (proc_pid_mountinfo(5))
    init?(_ line: Substring) {
      let fields = line.split(separator: " ", omittingEmptySubsequences: false)
      // A hyphen ends the optional fields, which begin with the seventh.
      guard fields.count > 6, let end = fields[6...].firstIndex(of: "-"), end + 3 < fields.count,
        ["cgroup", "cgroup2"].contains(fields[end + 1])
      else { return nil }
      root = Self.unescaped(fields[3])
      point = Self.unescaped(fields[4])
      isVersion2 = fields[end + 1] == "cgroup2"
      options = fields[end + 3].split(separator: ",").map(String.init)
    }

    /// - Parameter controllers: those of a line of `/proc/self/cgroup`. Version 2 names none.
    func has(_ controllers: [String]) -> Bool {
      guard !isVersion2 else { return controllers.isEmpty }
      return !Set(controllers).isDisjoint(with: ["memory", "cpu"])
        && controllers.allSatisfy(options.contains)
    }

    /// The folder of a group and those of the groups above it, up to the mount point.
    ///
    /// In a container the path may be one of the host's, which the mount does not show. Then the
    /// mount point is the container's own group.
    func folders(of path: String) -> [String] {
      var parts = path.split(separator: "/")
      if root != "/" {
        let rootParts = root.split(separator: "/")
        guard parts.starts(with: rootParts) else { return [point] }
        parts.removeFirst(rootParts.count)
      }
      // A group outside of the process's namespace.
      guard !parts.contains("..") else { return [point] }
      return (0...parts.count).map { count in
        parts.prefix(count).reduce(point) { "\($0)/\($1)" }
      }
    }

    /// The kernel writes spaces and backslashes as three octal digits.
    private static func unescaped(_ field: Substring) -> String {
      var bytes: [UInt8] = []
      var rest = Array(field.utf8)[...]
      while let byte = rest.popFirst() {
        let digits = rest.prefix(3)
        if byte == UInt8(ascii: "\\"), digits.count == 3,
          let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
        {
          bytes.append(value)
          rest.removeFirst(3)
        } else {
          bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
