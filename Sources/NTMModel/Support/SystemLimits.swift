#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The memory and the processors that this process may use. They are read once: a limit that changes
/// later is not seen.
public enum SystemLimits {
  /// Bytes of memory: the machine's, or fewer if control groups or `ulimit -v` and `-d` allow fewer.
  public static let memory = memory(
    physical: physicalMemory, groups: groups.memory,
    resources: [addressSpace, resourceLimit(RLIMIT_DATA)])

  /// Processors, at least 1: those that the process may run on, or fewer if its control groups have a
  /// quota, of which a fraction counts as one more.
  public static let processors = processors(
    available: availableProcessors, quota: groups.processors)

  /// Whether an allocation can fail. Elsewhere the system promises more memory than it has, and ends a
  /// process that uses too much.
  package static let refusesAllocations =
    resourceLimit(RLIMIT_AS) != nil || resourceLimit(RLIMIT_DATA) != nil
    || read("/proc/sys/vm/overcommit_memory")?.first == "2"

  static func memory(physical: Int, groups: Int?, resources: [Int?]) -> Int {
    ([physical, groups] + resources).compactMap { $0 }.min() ?? physical
  }

  static func processors(available: Int, quota: Double?) -> Int {
    // A quota may be much more than there are.
    max(1, Int(min(Double(available), (quota ?? .infinity).rounded(.up))))
  }

  private static let groups = ControlGroups(
    membership: read("/proc/self/cgroup") ?? "", mounts: read("/proc/self/mountinfo") ?? "",
    read: read)

  private static let physicalMemory =
    Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))

  /// What `ulimit -v` leaves. Programs, libraries and stacks use addresses, too, although little of
  /// them is in memory: what the process has at its start is subtracted, but never more than three
  /// quarters of the limit.
  private static var addressSpace: Int? {
    guard let limit = resourceLimit(RLIMIT_AS) else { return nil }
    // In pages (proc_pid_statm(5)).
    let used = read("/proc/self/statm")?.split(separator: " ").first.flatMap { Int($0) } ?? 0
    return max(limit / 4, limit - used * Int(sysconf(Int32(_SC_PAGESIZE))))
  }

  #if canImport(Glibc)
    private typealias Resource = __rlimit_resource
  #else
    private typealias Resource = Int32
  #endif

  /// - Returns: nil if there is no limit
  private static func resourceLimit(_ resource: Resource) -> Int? {
    var limit = rlimit()
    #if canImport(Glibc)
      let number = Int32(resource.rawValue)
    #else
      let number = resource
    #endif
    guard getrlimit(number, &limit) == 0 else { return nil }
    // "No limit" is the largest number, or close to it.
    return Int(exactly: limit.rlim_cur).flatMap { $0 < Int.max / 2 ? $0 : nil }
  }

  private static var availableProcessors: Int {
    // A mask in hexadecimal digits, with commas (proc_pid_status(5)).
    let name = "Cpus_allowed:"
    let mask = read("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix(name) }
    guard let digits = mask?.dropFirst(name.count) else {
      return max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }
    return digits.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
  }

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
