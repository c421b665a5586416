extension HTTPResponse {
  /// Adds to a problem what clients of the Open Inference Protocol look for: what was wrong, as
  /// `error`.
  mutating func addInferenceError() {
    guard case .object(let fields)? = try? JSONParser.parse(body),
      case .string(let detail)? = fields["detail"]
    else { return }
    body = Array("{\"error\":\(detail.quoted),".utf8) + body.dropFirst()
  }
}
