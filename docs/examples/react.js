import { useEffect, useState } from 'react';

export function useMessages(path) {
  const [messages, setMessages] = useState([]);
  useEffect(() => {
    const ws = new WSGuard(path);
    ws.onmessage = (event) => setMessages((earlier) => [...earlier, event.data]);
    return () => ws.close();
  }, [path]);
  return messages;
}
