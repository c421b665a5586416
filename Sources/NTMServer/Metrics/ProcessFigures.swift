#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What the system says of this process, by the names that Prometheus' own libraries use. What a
/// system does not say is left out: all but the processor's time and the limit is Linux's.
enum ProcessFigures {
  static func write(to text: inout MetricsText) {
    text.single(
      "process_cpu_seconds_total", .counter, "Processor time of user and system.", cpuSeconds)
    text.single(
      "process_resident_memory_bytes", .gauge, "Memory that is resident.", residentBytes)
    text.single("process_open_fds", .gauge, "Open file descriptors.", openDescriptors)
    text.single(
      "process_max_fds", .gauge, "Most file descriptors that may be open.", maxDescriptors)
    text.single(
      "process_start_time_seconds", .gauge, "When the process was started, since 1970.", startTime)
  }

  private static var cpuSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static var maxDescriptors: Double? {
    let limit = sysconf(Int32(_SC_OPEN_MAX))
    return limit < 0 ? nil : Double(limit)
  }

  private static var residentBytes: Double? {
    // Sizes in pages: of the program, then what is resident.
    guard let fields = read("/proc/self/statm")?.split(separator: " "), fields.count > 1,
      let pages = Double(fields[1])
    else { return nil }
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
  }

  private static var openDescriptors: Double? {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") else {
      return nil
    }
    // Less the one that the folder was read by.
    return Double(names.count - 1)
  }

  /// It does not change.
  private static let startTime: Double? = {
    // The name, in parentheses, may have spaces in it. Field 22 is the start in ticks since the
    // system's own (proc_pid_stat(5)).
    guard let stat = read("/proc/self/stat"), let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[end...].split(separator: " ")
    let boot = read("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
    guard fields.count > 20, let ticks = Double(fields[20]),
      let start = boot.flatMap({ Double($0.dropFirst("btime ".count)) })
    else { return nil }
    return start + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }()

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
