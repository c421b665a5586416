#if os(Linux)
  import Foundation

  /// Bytes of memory that this process has used at most.
  func peakMemory() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let digits = line?.filter(\.isNumber) ?? ""
    return (Int(digits) ?? 0) << 10
  }

  func openDescriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? -1
  }
#endif
