import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A request of which the server has read the headers, and whose body does not come.
final class PartialRequest {
  private let descriptor: Int32

  init(port: Int) throws {
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    descriptor = socket(AF_INET, kind, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    let descriptor = self.descriptor
    let code = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(code == 0)
    let head =
      "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
    try #require(send(descriptor, head, head.utf8.count, 0) == head.utf8.count)
    var patience = timeval(tv_sec: Int(Executable.patience), tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    // The headers are there when the server asks for the rest.
    var reply = [UInt8](repeating: 0, count: 100)
    let count = recv(descriptor, &reply, reply.count, 0)
    let text = String(decoding: reply.prefix(max(0, count)), as: UTF8.self)
    try #require(text.hasPrefix("HTTP/1.1 100 "))
  }

  deinit { close(descriptor) }
}
