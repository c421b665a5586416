extension String {
  /// The text with a JSON escape (`\u001b`) in place of each character that could forge a line, command
  /// the reader's terminal, or change the order of the characters on the screen.
  var escapingControls: String {
    guard unicodeScalars.contains(where: \.isEscapedInLogs) else { return self }
    return unicodeScalars.reduce(into: "") { text, scalar in
      guard scalar.isEscapedInLogs else {
        text.unicodeScalars.append(scalar)
        return
      }
      let digits = String(scalar.value, radix: 16)
      text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }
}

extension Unicode.Scalar {
  /// Whether it is a control character, a line or paragraph separator, or has Unicode's property
  /// Bidi_Control. All of them have at most four hexadecimal digits.
  fileprivate var isEscapedInLogs: Bool {
    switch value {
    case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
