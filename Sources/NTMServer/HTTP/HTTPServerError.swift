/// Why a server did not start.
public enum HTTPServerError: Error, Equatable, CustomStringConvertible {
  /// Another process, or another server of this one, listens there.
  case addressInUse(host: String, port: Int)
  /// The host is neither an address nor a name that resolves.
  case unknownHost(host: String, reason: String)
  /// The address cannot be listened on: it is not of this machine, the port needs privileges, …
  case cannotListen(host: String, port: Int, reason: String)
  /// The system lacks threads, descriptors or memory.
  case cannotStart(reason: String)
  /// A file with a certificate or a key can't be used.
  case badTLSFile(file: String, reason: String)
  case invalidOption(name: String, reason: String)
  case alreadyRunning

  public var description: String {
    switch self {
    case .addressInUse(let host, let port): "address already in use: \(host) port \(port)"
    case .unknownHost(let host, let reason): "cannot resolve host '\(host)': \(reason)"
    case .cannotListen(let host, let port, let reason):
      "cannot listen on \(host) port \(port): \(reason)"
    case .cannotStart(let reason): "cannot start the HTTP server: \(reason)"
    case .badTLSFile(let file, let reason): "\(file): \(reason)"
    case .invalidOption(let name, let reason): "option '\(name)': \(reason)"
    case .alreadyRunning: "the HTTP server is already running"
    }
  }
}
