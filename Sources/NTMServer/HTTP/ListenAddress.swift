#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An address to listen on, found from a host and a port.
struct ListenAddress {
  private var storage = sockaddr_storage()

  /// - Parameter host: an IPv4 or IPv6 address, or a name; of a name's addresses IPv4 is preferred,
  ///   because a client that is given `localhost` tries both.
  init(host: String, port: Int) throws(HTTPServerError) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    #if canImport(Glibc)
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      hints.ai_socktype = SOCK_STREAM
    #endif
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var first: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, "\(port)", &hints, &first)
    guard code == 0 else {
      throw .unknownHost(host: host, reason: String(cString: gai_strerror(code)))
    }
    defer { freeaddrinfo(first) }
    let found = sequence(first: first) { $0?.pointee.ai_next }
      .prefix { $0 != nil }.compactMap { $0?.pointee }
    guard
      let chosen = found.first(where: { $0.ai_family == AF_INET })
        ?? found.first(where: { $0.ai_family == AF_INET6 })
    else { throw .unknownHost(host: host, reason: "it has no internet address") }
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(
        from: UnsafeRawBufferPointer(start: chosen.ai_addr, count: Int(chosen.ai_addrlen)))
    }
  }

  fileprivate var family: Int32 { Int32(storage.ss_family) }

  /// Length of the address in its family's own structure.
  fileprivate var length: socklen_t {
    socklen_t(
      family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
  }

  fileprivate(set) var port: Int {
    get {
      withUnsafeBytes(of: storage) {
        // The port is at the same place in both families.
        Int(UInt16(bigEndian: $0.load(as: sockaddr_in.self).sin_port))
      }
    }
    set {
      withUnsafeMutableBytes(of: &storage) {
        let offset = MemoryLayout<sockaddr_in>.offset(of: \.sin_port)!
        $0.storeBytes(of: UInt16(newValue).bigEndian, toByteOffset: offset, as: UInt16.self)
      }
    }
  }

  /// Whether only this machine can reach it: 127.0.0.0/8 or ::1, also written as an IPv6 address.
  var isLoopback: Bool {
    withUnsafeBytes(of: storage) { bytes in
      if family == AF_INET {
        let address = bytes.load(as: sockaddr_in.self).sin_addr
        return UInt32(bigEndian: address.s_addr) >> 24 == 127
      }
      let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
      let address = Array(bytes[offset..<(offset + 16)])
      let mapped: [UInt8] = Array(repeating: 0, count: 10) + [255, 255, 127]
      return address == Array(repeating: 0, count: 15) + [1] || address.starts(with: mapped)
    }
  }

  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
    withUnsafePointer(to: storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
  }
}

/// A port that is ours while the daemons join it.
///
/// The daemons share their port by SO_REUSEPORT, which would let a second server join it as
/// silently. So a plain socket is bound first, which fails where anybody listens, and SO_REUSEPORT
/// is set on it only then: no moment is left in which the port is free. It never listens, so it
/// gets no connections.
struct PortReservation: ~Copyable {
  private let descriptor: Int32
  /// With the port that the system picked if it was 0.
  let address: ListenAddress

  init(host: String, port: Int) throws(HTTPServerError) {
    var address = try ListenAddress(host: host, port: port)
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    let descriptor = socket(address.family, kind, 0)
    guard descriptor >= 0 else {
      throw .cannotListen(host: host, port: port, reason: systemMessage(errno))
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    // Connections of a server that has just ended don't keep the next one from starting.
    Self.set(SO_REUSEADDR, SOL_SOCKET, 1, on: descriptor)
    if address.family == AF_INET6 {
      // As the daemons do: `::` means IPv4 too.
      Self.set(IPV6_V6ONLY, Int32(IPPROTO_IPV6), 0, on: descriptor)
    }
    let length = address.length
    guard address.withPointer({ bind(descriptor, $0, length) }) == 0 else {
      let code = errno
      close(descriptor)
      throw code == EADDRINUSE
        ? .addressInUse(host: host, port: port)
        : .cannotListen(host: host, port: port, reason: systemMessage(code))
    }
    Self.set(SO_REUSEPORT, SOL_SOCKET, 1, on: descriptor)
    address.port = Self.boundPort(of: descriptor)
    self.descriptor = descriptor
    self.address = address
  }

  deinit { close(descriptor) }

  private static func set(_ option: Int32, _ level: Int32, _ value: Int32, on descriptor: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func boundPort(of descriptor: Int32) -> Int {
    var bound = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    return withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = getsockname(descriptor, $0, &length)
      }
      // The port is at the same place in both families.
      return Int(UInt16(bigEndian: $0.pointee.sin6_port))
    }
  }
}
