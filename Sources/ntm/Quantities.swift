import ArgumentParser

/// A number of bytes, such as 65536, 64k, 512M or 4G (powers of 1024).
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    let shifts: [Character: Int] = ["k": 10, "K": 10, "M": 20, "G": 30, "T": 40]
    let shift = argument.last.flatMap { shifts[$0] }
    guard let number = Int(shift == nil ? argument : String(argument.dropLast())), number >= 0
    else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
    guard !overflow else { return nil }
    self.bytes = bytes
  }

  init(_ bytes: Int) { self.bytes = bytes }

  var defaultValueDescription: String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "k")]
    where bytes != 0 && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)"
  }
}

/// A time, such as 90, 90s, 15m, 1h or 7d.
struct TimeSpan: ExpressibleByArgument {
  let seconds: Double

  init?(argument: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    let unit = argument.last.flatMap { units[$0] }
    guard let number = Double(unit == nil ? argument : String(argument.dropLast())), number > 0,
      number.isFinite, number * (unit ?? 1) <= 1e9
    else { return nil }
    seconds = number * (unit ?? 1)
  }

  init(seconds: Double) { self.seconds = seconds }

  var defaultValueDescription: String {
    for (length, unit) in [(86_400.0, "d"), (3600, "h"), (60, "m")]
    where seconds.truncatingRemainder(dividingBy: length) == 0 {
      return "\(Int(seconds / length))\(unit)"
    }
    return seconds == seconds.rounded() ? "\(Int(seconds))s" : "\(seconds)s"
  }
}

/// A time, or `never` for one without end.
struct KeepAliveLimit: ExpressibleByArgument {
  let seconds: Double?

  init?(argument: String) {
    if argument == "never" {
      seconds = nil
    } else if let span = TimeSpan(argument: argument) {
      seconds = span.seconds
    } else {
      return nil
    }
  }

  init(seconds: Double) { self.seconds = seconds }

  var defaultValueDescription: String {
    seconds.map { TimeSpan(seconds: $0).defaultValueDescription } ?? "never"
  }
}
