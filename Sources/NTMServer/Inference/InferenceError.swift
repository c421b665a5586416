/// Clients of the Open Inference Protocol look for what was wrong in a field `error`. A problem gets
/// that beside its own.
extension HTTPResponse {
  var withInferenceError: HTTPResponse {
    guard headers.contains(where: { $0.value == "application/problem+json" }),
      case .object(let fields)? = try? JSONParser.parse(body),
      case .string(let detail)? = fields["detail"]
    else { return self }
    var response = self
    response.body = Array("{\"error\":\(detail.quoted),".utf8) + body.dropFirst()
    return response
  }
}

extension HTTPOutcome {
  /// With what a client of the protocol expects of a problem, whenever it comes.
  var withInferenceErrors: HTTPOutcome {
    switch self {
    case .respond(let response): .respond(response.withInferenceError)
    case .offload(let work): .offload { work().withInferenceError }
    case .later(let start): .later { start($0.changing(by: { $0.withInferenceError })) }
    case .stream: self
    }
  }
}
